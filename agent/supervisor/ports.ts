/** What the supervisor needs from others: small interfaces, so that tests and the composition root decide who is behind them. */
import type { Random } from "#agent/lib/backoff.ts";
import type { Clock } from "#agent/lib/clock.ts";
import type { Logger } from "#agent/lib/log.ts";
import type { SandboxEngine } from "#agent/sandbox/engine.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import type { Capacity } from "./admission.ts";
import type { ImageFacts, Timing } from "./model.ts";
import type { Reading } from "./pressure.ts";
import type { RecordStore } from "./record-store.ts";

export interface Occurrence {
  readonly type: string;
  readonly app?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Where events go. What was added is durable when the call returns. */
export interface EventSink {
  /** Runs `also` in the same transaction. */
  add(event: Occurrence, also?: () => void): void;
  /** Adds unless `key` was used before; then runs `also` in the same transaction. False: seen already. */
  addOnce(key: string, event: Occurrence, also?: () => void): boolean;
}

export interface PullOptions {
  readonly signal: AbortSignal;
  /** `trouble`: why it does not get on at the moment. */
  readonly onProgress: (done: number, total: number, trouble?: string) => void;
}

export interface Images {
  /** What is known of an image in the store, or undefined when it is not there. */
  facts(digest: string): Promise<ImageFacts | undefined>;
  /** Resolves when the image is in the store and verified. Throws LightvError. */
  pull(image: App["image"], options: PullOptions): Promise<void>;
  /** The images that must stay; others may go when room is needed. */
  keep(digests: ReadonlySet<string>): Promise<void>;
}

export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface SupervisorParts {
  readonly engine: SandboxEngine;
  readonly images: Images;
  readonly records: RecordStore;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly timing: Timing;
  readonly capacity: Capacity;
  /** How short of memory the device is now. */
  readonly pressure: () => Promise<Reading>;
  /** What is left where images and sandboxes lie. */
  readonly disk: () => Promise<DiskSpace>;
  /** GOARCH name of this device. */
  readonly architecture: string;
  /** Longest time of one step, in milliseconds. */
  readonly operationTimeoutMs: number;
}
