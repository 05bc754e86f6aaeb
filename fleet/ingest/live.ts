/** What is only worth knowing while it is new: each device's last heartbeat, and counters. Lost with the process, by design. */

import type { Metric } from "#agent/wire/protocol/metric.ts";
import type { Channel } from "#agent/wire/topics.ts";

export interface Heartbeat {
  readonly metric: Metric;
  readonly receivedAt: number;
}

export interface Counters {
  readonly received: Record<Channel, number>;
  readonly rejected: Record<Channel, number>;
  eventsStored: number;
  eventsDoubled: number;
  staleStatus: number;
  staleReported: number;
  unknownDevice: number;
  failed: number;
  batches: number;
  /** By action of fleet/broker/port.ts. */
  readonly refused: Record<string, number>;
}

const zero = (): Record<Channel, number> => ({
  status: 0,
  desired: 0,
  reported: 0,
  event: 0,
  ack: 0,
  cmd: 0,
  result: 0,
  log: 0,
  metric: 0,
});

export class Live {
  readonly heartbeats = new Map<string, Heartbeat>();
  readonly counters: Counters = {
    received: zero(),
    rejected: zero(),
    eventsStored: 0,
    eventsDoubled: 0,
    staleStatus: 0,
    staleReported: 0,
    unknownDevice: 0,
    failed: 0,
    batches: 0,
    refused: {},
  };

  refused(action: string): void {
    this.counters.refused[action] = (this.counters.refused[action] ?? 0) + 1;
  }

  forget(device: string): void {
    this.heartbeats.delete(device);
  }
}
