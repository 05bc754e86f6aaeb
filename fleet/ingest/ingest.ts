/**
 * From the broker into the store: messages are gathered while a commit is under way, written in one transaction, and answered after it.
 * So one fsync serves many devices, and no acknowledgement is ever sent for what is not on the disk.
 */
import { messageOf } from "#agent/lib/errors.ts";
import type { Incoming } from "#fleet/broker/port.ts";
import type { Dispatcher } from "#fleet/dispatch/dispatcher.ts";
import { audit } from "#fleet/store/audit.ts";
import type { Store } from "#fleet/store/store.ts";
import { apply, type Effect } from "./apply.ts";
import type { Feed } from "./feed.ts";
import type { Live } from "./live.ts";

/** Messages of one transaction: bounds how long one takes. */
const BATCH = 256;
/** Of a device's rejected messages the first and every so manieth goes to the audit: a broken device must not flood it. */
const AUDIT_EVERY = 100;

export interface IngestOptions {
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly feed: Feed;
  readonly live: Live;
  readonly now: () => number;
  /** Something went wrong that nobody waits for. */
  readonly onProblem: (text: string) => void;
}

interface Waiting {
  readonly message: Incoming;
  readonly done: () => void;
}

export class Ingest {
  readonly #options: IngestOptions;
  readonly #queue: Waiting[] = [];
  readonly #rejections = new Map<string, number>();
  readonly #gaps = new Map<string, string>();
  #running: Promise<void> | undefined;

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  /** Resolves when the message is committed, rejected or given up; never rejects. */
  take(message: Incoming): Promise<void> {
    this.#options.live.counters.received[message.channel] += 1;
    return new Promise((done) => {
      this.#queue.push({ message, done });
      this.#running ??= this.#run();
    });
  }

  /** Waits for everything that was taken. */
  async stop(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // Let what came in the same turn of the event loop come in.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH);
      await this.#commit(batch.map(({ message }) => message));
      for (const { done } of batch) done();
    }
    // In the same turn as the look at the queue: a message that comes now must start the next run.
    this.#running = undefined;
  }

  async #commit(messages: readonly Incoming[]): Promise<void> {
    const { store, now, live, onProblem } = this.#options;
    live.counters.batches += 1;
    try {
      const effects = await store.transaction(async (db) => {
        const all: Effect[] = [];
        for (const message of messages) all.push(...(await apply(db, message, now())));
        return all;
      });
      this.#follow(effects);
    } catch (error) {
      // One message that the database refuses must not take the others with it. None of these is acknowledged: devices send again.
      if (messages.length > 1) for (const message of messages) await this.#commit([message]);
      else {
        live.counters.failed += 1;
        const [message] = messages;
        onProblem(`a ${message?.channel} message of ${message?.device} could not be stored: ${messageOf(error)}`);
      }
    }
  }

  #follow(effects: readonly Effect[]): void {
    const acks = new Map<string, number>();
    for (const effect of effects) {
      if (effect.do === "ack") acks.set(effect.device, effect.seq);
      else this.#followOne(effect);
    }
    for (const [device, seq] of acks) this.#detached(this.#options.dispatcher.ack(device, seq));
  }

  #followOne(effect: Exclude<Effect, { do: "ack" }>): void {
    const { feed, live, dispatcher, now } = this.#options;
    switch (effect.do) {
      case "feed":
        if (effect.item.type === "metric") live.heartbeats.set(effect.item.device, { metric: effect.item.data, receivedAt: now() });
        if (effect.item.type === "result") dispatcher.settled(effect.item.device, effect.item.data.id);
        feed.publish(effect.item);
        break;
      case "count":
        live.counters[effect.what] += effect.by;
        break;
      case "reject":
        this.#rejected(effect);
        break;
      case "audit":
        if (this.#gaps.get(`${effect.device} ${effect.action}`) === effect.detail) break;
        this.#gaps.set(`${effect.device} ${effect.action}`, effect.detail);
        this.#audit(effect.device, effect.action, effect.detail);
        break;
      case "greet":
        this.#detached(dispatcher.greet(effect.device));
        break;
      case "outrun":
        this.#detached(dispatcher.outrun(effect.device));
        break;
      case "remind":
        this.#detached(dispatcher.remind(effect.device));
        break;
      default:
        effect satisfies never;
    }
  }

  #rejected({ device, channel, reason }: Extract<Effect, { do: "reject" }>): void {
    const { live, feed } = this.#options;
    live.counters.rejected[channel] += 1;
    const count = (this.#rejections.get(device) ?? 0) + 1;
    this.#rejections.set(device, count);
    feed.publish({ type: "rejected", device, data: { channel, reason } });
    if (count % AUDIT_EVERY === 1) this.#audit(device, "message.rejected", `${channel}: ${reason} (number ${count} of this device)`);
  }

  #audit(device: string, action: string, detail: string): void {
    const { store, now } = this.#options;
    this.#detached(audit(store.db, { at: now(), actor: `device:${device}`, action, detail }));
  }

  /** Sending must not be waited for by what the broker's own slots are held for: both would wait for each other. */
  #detached(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#options.onProblem(messageOf(error)));
  }
}
