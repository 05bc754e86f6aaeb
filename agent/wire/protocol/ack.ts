/**
 * `ack`: the controller has committed every event up to and including `seq`. `now` is its clock: the floor of the device's time.
 * `session`, only when it has refused a `status`: the latest session that it knows. A device that has not come beyond it begins another.
 */
import { type Static, Type } from "typebox";
import { Count, Timestamp } from "./common.ts";

export const Ack = Type.Object({ seq: Count, now: Timestamp, session: Type.Optional(Count) });
export type Ack = Static<typeof Ack>;
