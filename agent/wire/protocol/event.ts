/**
 * `event`: what has happened, in order, none lost and none twice. `seq` is per device and never goes back (it survives reboots); the
 * device keeps an event until the controller's `ack` covers it. A gap is declared by an event of type `events.lost`.
 */
import { type Static, Type } from "typebox";
import { AppName, BootId, Count, Timestamp } from "./common.ts";

export const DeviceEvent = Type.Object({
  seq: Type.Integer({ minimum: 1 }),
  bootId: BootId,
  /** Milliseconds of the monotonic clock since boot: orders events of one boot. */
  uptimeMs: Count,
  at: Timestamp,
  /** `app.started`, `app.exited`, `app.oom`, `image.pulled`, `message.rejected`, `agent.started`, `events.lost`, …: docs/protocol.md. */
  type: Type.String({ pattern: "^[a-z]+(\\.[a-z-]+)+$", maxLength: 64 }),
  app: Type.Optional(AppName),
  data: Type.Record(Type.String({ maxLength: 64 }), Type.Unknown()),
});

export const EventBatch = Type.Object({ events: Type.Array(DeviceEvent, { minItems: 1, maxItems: 256 }) });
export type DeviceEvent = Static<typeof DeviceEvent>;
export type EventBatch = Static<typeof EventBatch>;
