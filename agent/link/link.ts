/** The way to the controller: connects, again and again with full jitter, and checks whatever comes in. */
import { fullJitterMs, type Random } from "#agent/lib/backoff.ts";
import type { Clock } from "#agent/lib/clock.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { Logger } from "#agent/lib/log.ts";
import { encodeMessage, type Message, parseMessage } from "#agent/wire/messages.ts";
import { type Channel, DOWN_CHANNELS, type DownChannel, type UpChannel } from "#agent/wire/topics.ts";
import { openSession, type Session, type SessionOptions } from "./session.ts";

export interface LinkHandlers {
  readonly onDesired: (message: Message<"desired">) => void;
  readonly onAck: (message: Message<"ack">) => void;
  readonly onCommand: (message: Message<"cmd">) => void;
  /** A message was refused; `total` of them since the start. */
  readonly onRejected: (channel: Channel, reason: string, total: number) => void;
  /** After status has been sent; the signal aborts when the connection ends. */
  readonly onUp: (signal: AbortSignal) => void;
}

export interface LinkOptions extends Omit<SessionOptions, "will" | "onMessage"> {
  readonly agentVersion: string;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /** A number that grows with each call, also over reboots. */
  readonly nextSession: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly handlers: LinkHandlers;
}

/** A connection that lasted so long was a good one: the next back-off starts anew. */
const GOOD_MS = 10_000;
const GOODBYE_MS = 3_000;

export class Link {
  private readonly options: LinkOptions;
  private session: Session | undefined;
  private rejected = 0;
  private stopping = new AbortController();
  private loop: Promise<void> = Promise.resolve();

  constructor(options: LinkOptions) {
    this.options = options;
  }

  get connected(): boolean {
    return this.session !== undefined;
  }

  /** Until when the controller's certificate is good; undefined without a connection, or without TLS. */
  certificateEndMs(): number | undefined {
    return this.session?.certificateEndMs();
  }

  get rejectedMessages(): number {
    return this.rejected;
  }

  start(): void {
    this.stopping = new AbortController();
    this.loop = this.run(this.stopping.signal);
  }

  /** Says goodbye, so that the controller need not wait for the last will. */
  async stop(): Promise<void> {
    this.stopping.abort(new LightvError("LV_UNAVAILABLE", "the agent is stopping"));
    await this.loop;
  }

  /** Ends this connection; a new one follows after a back-off. */
  reconnect(): void {
    void this.session?.close();
  }

  /** Resolves when the broker has it. Rejects with LV_UNAVAILABLE when there is no connection. */
  async publish<C extends UpChannel>(channel: C, message: Message<C>): Promise<void> {
    if (this.session === undefined)
      throw new LightvError("LV_UNAVAILABLE", "there is no connection to the controller", { hint: "it is sent when there is one" });
    await this.session.publish(channel, encodeMessage(channel, message));
  }

  private async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log, reconnectMinMs, reconnectMaxMs } = this.options;
    let attempt = 0;
    while (!signal.aborted) {
      const since = clock.uptimeMs();
      const ended = await this.connection(signal).catch((error: unknown) => messageOf(error));
      if (signal.aborted) return;
      attempt = clock.uptimeMs() - since > GOOD_MS ? 0 : attempt + 1;
      const delayMs = fullJitterMs(attempt, { minMs: reconnectMinMs, maxMs: reconnectMaxMs }, random);
      log.warn(`offline: ${ended}`, { retryInMs: delayMs });
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  /** One connection's life; gives why it ended. */
  private async connection(signal: AbortSignal): Promise<string> {
    const { nextSession, handlers, log, url } = this.options;
    const number = nextSession();
    const up = new AbortController();
    const session = await openSession(
      { ...this.options, will: this.status(number, false), onMessage: (channel, payload) => this.take(channel, payload) },
      signal,
    );
    try {
      this.session = session;
      await session.publish("status", this.status(number, true));
      log.info("connected", { url, session: number });
      handlers.onUp(up.signal);
      const stopped = new Promise<"stopped">((resolve) => {
        // Goes with this connection: the agent's own signal outlives thousands of them.
        signal.addEventListener("abort", () => resolve("stopped"), { once: true, signal: up.signal });
      });
      const ended = signal.aborted ? "stopped" : await Promise.race([session.closed, stopped]);
      if (ended === "stopped") await this.goodbye(session, number);
      return ended;
    } finally {
      this.session = undefined;
      up.abort(new LightvError("LV_UNAVAILABLE", "the connection has ended"));
      await session.close();
    }
  }

  /** A broker that does not answer must not keep us. */
  private async goodbye(session: Session, number: number): Promise<void> {
    const done = new AbortController();
    const late = this.options.clock.sleep(GOODBYE_MS, done.signal).catch(() => undefined);
    await Promise.race([session.publish("status", this.status(number, false)).catch(() => undefined), late]);
    done.abort(new Error("done"));
  }

  private status(session: number, online: boolean): string {
    const { clock, agentVersion } = this.options;
    return encodeMessage("status", { session, online, bootId: clock.bootId(), agentVersion, at: clock.wall() });
  }

  private take(channel: Channel, payload: Uint8Array): void {
    if (!isDown(channel)) return;
    // The controller clears the retained message of a device that it forgets: nothing is wanted by that.
    if (channel === "desired" && payload.byteLength === 0) return;
    const { onDesired, onAck, onCommand } = this.options.handlers;
    if (channel === "desired") this.deliver(channel, payload, onDesired);
    else if (channel === "ack") this.deliver(channel, payload, onAck);
    else this.deliver(channel, payload, onCommand);
  }

  private deliver<C extends DownChannel>(channel: C, payload: Uint8Array, handler: (message: Message<C>) => void): void {
    const parsed = parseMessage(channel, payload);
    try {
      if (parsed.ok) handler(parsed.value);
      else this.reject(channel, parsed.reason);
    } catch (error) {
      // A full disk, say: not taken, so not acknowledged or answered, so it comes again.
      this.options.log.error(`a ${channel} message was not taken: ${messageOf(error)}`);
    }
  }

  /** Never fatal, never silent. */
  reject(channel: Channel, reason: string): void {
    this.rejected++;
    this.options.log.warn(`refused a ${channel} message: ${reason}`);
    this.options.handlers.onRejected(channel, reason, this.rejected);
  }
}

function isDown(channel: Channel): channel is DownChannel {
  return (DOWN_CHANNELS as readonly string[]).includes(channel);
}
