/** `desired`: the whole of what a device shall run. The device persists it before it acts. A lower revision than the one it has is refused. */
import { type Static, Type } from "typebox";
import { App } from "./app.ts";
import { Count, Timestamp } from "./common.ts";

export const Desired = Type.Object({
  revision: Count,
  issuedAt: Timestamp,
  apps: Type.Array(App, { maxItems: 128 }),
});
export type Desired = Static<typeof Desired>;
