/** `log`: lines of an app, with the numbers of its sandbox's log (docs/sandbox.md). QoS 0: a gap in the numbers is a loss that the reader can see. */
import { type Static, Type } from "typebox";
import { AppName, Count, Id, Timestamp } from "./common.ts";

export const LogBatch = Type.Object({
  app: AppName,
  sandboxId: Type.String({ maxLength: 64 }),
  /** The `logs` command that asked for them. */
  command: Id,
  lines: Type.Array(
    Type.Object({
      seq: Count,
      stream: Type.Union([Type.Literal("stdout"), Type.Literal("stderr")]),
      at: Timestamp,
      text: Type.String({ maxLength: 16_384 }),
    }),
    { maxItems: 512 },
  ),
});
export type LogBatch = Static<typeof LogBatch>;
