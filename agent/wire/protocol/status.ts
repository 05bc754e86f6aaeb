/** `status`: retained, and the connection's last will. `session` grows with each connection, so that a late will is known for what it is. */
import { type Static, Type } from "typebox";
import { BootId, Count, Timestamp } from "./common.ts";

export const Status = Type.Object({
  session: Count,
  online: Type.Boolean(),
  bootId: BootId,
  agentVersion: Type.String({ maxLength: 64 }),
  at: Timestamp,
});
export type Status = Static<typeof Status>;
