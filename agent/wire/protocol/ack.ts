/** `ack`: the controller has committed every event up to and including `seq`. `now` is its clock: the floor of the device's time. */
import { type Static, Type } from "typebox";
import { Count, Timestamp } from "./common.ts";

export const Ack = Type.Object({ seq: Count, now: Timestamp });
export type Ack = Static<typeof Ack>;
