/** Pieces that several messages share. */
import { Type } from "typebox";

/** RFC 3339, UTC. Shown to people; never used to order anything (clocks of devices lie). */
export const Timestamp = Type.String({ maxLength: 40, pattern: "^\\d{4}-\\d{2}-\\d{2}T[0-9:.]+(Z|[+-]\\d{2}:\\d{2})$" });
export const Digest = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });
export const AppName = Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,62}$" });
export const BootId = Type.String({ minLength: 1, maxLength: 64 });
export const Id = Type.String({ pattern: "^[A-Za-z0-9_-]{1,64}$" });
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const Reason = Type.String({ maxLength: 1024 });
/** As Debian's packages have them; also part of file and image names. */
export const Version = Type.String({ pattern: "^[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}$" });
