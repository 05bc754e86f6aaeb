/** `metric`: the heartbeat, with what is used now. QoS 0, numbered. Counters are since the sandbox's or the device's start. */
import { type Static, Type } from "typebox";
import { AppName, BootId, Count, Timestamp } from "./common.ts";

const Optional = Type.Optional(Count);

export const Metric = Type.Object({
  bootId: BootId,
  n: Count,
  at: Timestamp,
  uptimeMs: Count,
  device: Type.Object({
    memoryTotalBytes: Count,
    memoryAvailableBytes: Count,
    diskTotalBytes: Count,
    diskFreeBytes: Count,
    load1: Type.Number({ minimum: 0 }),
    cpuUsedMs: Count,
  }),
  agent: Type.Object({ rssBytes: Count, heapUsedBytes: Count, outboxEvents: Count }),
  apps: Type.Array(
    Type.Object({
      name: AppName,
      memoryBytes: Optional,
      memoryLimitBytes: Optional,
      cpuUsageUs: Optional,
      throttledUs: Optional,
      pids: Optional,
      ioReadBytes: Optional,
      ioWriteBytes: Optional,
      oomKills: Count,
    }),
    { maxItems: 256 },
  ),
});
export type Metric = Static<typeof Metric>;
