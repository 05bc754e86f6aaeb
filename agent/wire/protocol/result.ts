/** `result`: how a command ended. Sent through the outbox until the controller's answer is committed, so it may come twice: same id, same content. */
import { type Static, Type } from "typebox";
import { Id, Reason, Timestamp } from "./common.ts";

export const CommandResult = Type.Object({
  id: Id,
  ok: Type.Boolean(),
  at: Timestamp,
  /** One of agent/wire/codes.ts when not ok. */
  code: Type.Optional(Type.String({ maxLength: 64 })),
  error: Type.Optional(Reason),
  exitCode: Type.Optional(Type.Integer()),
  stdout: Type.Optional(Type.String({ maxLength: 24_576 })),
  stderr: Type.Optional(Type.String({ maxLength: 24_576 })),
  /** Output was longer than what is given: the end of it is what is given. */
  truncated: Type.Optional(Type.Boolean()),
});
export type CommandResult = Static<typeof CommandResult>;
