/** How important an app is on its device. Wire values: never renamed. */
import { Type } from "typebox";

/** `critical` keeps its memory and its processor time when the device runs short; `low` is the first to be slowed down, then to be stopped. */
export const PRIORITIES = ["critical", "normal", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];
export const Priority = Type.Unsafe<Priority>(Type.Union(PRIORITIES.map((priority) => Type.Literal(priority))));
