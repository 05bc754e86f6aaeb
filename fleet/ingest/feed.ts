/** What happens in the fleet, as it happens, for whoever listens (the event stream, commands that are waited for). Nothing is kept here. */
import type { LogBatch } from "#agent/wire/protocol/log.ts";
import type { Metric } from "#agent/wire/protocol/metric.ts";
import type { Reported } from "#agent/wire/protocol/reported.ts";
import type { CommandResult } from "#agent/wire/protocol/result.ts";
import type { Status } from "#agent/wire/protocol/status.ts";
import type { StoredEvent } from "#fleet/store/events.ts";

interface FeedData {
  event: StoredEvent;
  status: Status;
  reported: Reported;
  log: LogBatch;
  metric: Metric;
  result: CommandResult;
  rejected: { channel: string; reason: string };
}

export const FEED_TYPES = ["event", "status", "reported", "log", "metric", "result", "rejected"] as const;
export type FeedType = (typeof FEED_TYPES)[number];
export type FeedItem = { [T in FeedType]: { readonly type: T; readonly device: string; readonly data: FeedData[T] } }[FeedType];
export type FeedListener = (item: FeedItem) => void;

export class Feed {
  readonly #listeners = new Set<FeedListener>();

  publish(item: FeedItem): void {
    for (const listener of this.#listeners) listener(item);
  }

  /** Gives the way to stop listening. A listener must not throw and must not block. */
  listen(listener: FeedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}
