/**
 * `cmd`: do something once. The id makes it idempotent: a device that has seen it sends the old result again. The controller keeps it
 * and sends it again on each connection until there is a result or it has expired.
 */
import { type Static, Type } from "typebox";
import { AppName, Count, Id, Timestamp } from "./common.ts";

const common = {
  id: Id,
  issuedAt: Timestamp,
  /** By the controller's clock; the device compares with the controller's time as it last heard it, never with its own alone. */
  expiresAt: Type.Optional(Timestamp),
};

export const Command = Type.Union([
  Type.Object({ ...common, type: Type.Literal("restart"), app: AppName }),
  Type.Object({
    ...common,
    type: Type.Literal("exec"),
    app: AppName,
    command: Type.Array(Type.String({ maxLength: 8192 }), { minItems: 1, maxItems: 128 }),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 600_000 })),
  }),
  Type.Object({
    ...common,
    type: Type.Literal("logs"),
    app: AppName,
    tail: Type.Optional(Count),
    /** Keep sending new lines for so long after the old ones; 0: not. */
    followMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_600_000 })),
  }),
  Type.Object({ ...common, type: Type.Literal("reboot"), delayMs: Type.Optional(Count) }),
  Type.Object({ ...common, type: Type.Literal("inventory") }),
]);
export type Command = Static<typeof Command>;
