/** From the store to devices: acknowledgements, desired states and commands. Everything is sent again when a device comes back. */
import { LightvError } from "#agent/lib/errors.ts";
import { encodeMessage, type Message } from "#agent/wire/messages.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import type { Command } from "#agent/wire/protocol/cmd.ts";
import type { Desired, DesiredAgent } from "#agent/wire/protocol/desired.ts";
import type { Channel } from "#agent/wire/topics.ts";
import type { Broker } from "#fleet/broker/port.ts";
import {
  addCommand,
  countPending,
  expireCommands,
  findCommand,
  markSent,
  pendingCommands,
  type StoredCommand,
} from "#fleet/store/commands.ts";
import { getDesired, putDesired, reportedRevision } from "#fleet/store/desired.ts";
import { findDevice, listOnline } from "#fleet/store/devices.ts";
import type { Db } from "#fleet/store/schema.ts";
import type { Store } from "#fleet/store/store.ts";

/** Commands of one device that wait for an answer: more is a mistake of whoever gives them. */
const MAX_PENDING = 256;

/** The same revision is not sent again within this time on one connection. */
const REMIND_AGAIN_MS = 30_000;

export interface DispatcherOptions {
  readonly store: Store;
  readonly broker: Broker;
  readonly now: () => number;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #waiters = new Map<string, Set<() => void>>();
  readonly #reminded = new Map<string, { readonly revision: number; readonly at: number }>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  async ack(device: string, seq: number): Promise<void> {
    await this.#send(device, "ack", { seq, now: this.#iso() });
  }

  /** A device has connected in a session that is over: it hears which one is the latest, and begins another. */
  async outrun(device: string): Promise<void> {
    const row = await findDevice(this.#options.store.db, device);
    if (row !== undefined) await this.#send(device, "ack", { seq: row.acked_seq, now: this.#iso(), session: row.session });
  }

  /** A device has connected: where its events stand, what it shall run, what it has yet to answer. */
  async greet(device: string): Promise<void> {
    const { store, now } = this.#options;
    const row = await findDevice(store.db, device);
    if (row === undefined) return;
    await this.ack(device, row.acked_seq);
    this.#reminded.delete(device);
    await this.remind(device);
    const commands = await pendingCommands(store.db, device, now());
    for (const { command } of commands) await this.#sendCommand(device, command);
  }

  /** The controller has connected anew while devices stayed connected: they will not say that they are there. */
  async greetAll(): Promise<void> {
    for (const device of await listOnline(this.#options.store.db)) await this.greet(device);
  }

  /**
   * Sends the desired state. A device that has a higher revision than the controller (whose database came from a backup) would refuse it,
   * so it gets the next one above; a controller that has never said anything says nothing.
   */
  async remind(device: string): Promise<void> {
    const { store } = this.#options;
    const desired = await store.transaction(async (db) => {
      const current = await getDesired(db, device);
      if (current === undefined || current.revision === 0) return undefined;
      const reported = await reportedRevision(db, device);
      if (reported <= current.revision) return current;
      const next = { ...current, revision: reported + 1, issuedAt: this.#iso() };
      await putDesired(db, device, next);
      return next;
    });
    // A device that refuses a state says so in a report, which asks for the state: not again at once.
    const { now } = this.#options;
    const last = this.#reminded.get(device);
    if (desired === undefined || (last?.revision === desired.revision && now() - last.at < REMIND_AGAIN_MS)) return;
    this.#reminded.set(device, { revision: desired.revision, at: now() });
    await this.#send(device, "desired", desired);
  }

  /** As changeDesired, of the apps alone. */
  setDesired(device: string, change: (apps: App[], db: Db) => Promise<App[]> | App[], expected?: number): Promise<Desired> {
    return this.changeDesired(device, async ({ agent, apps }, _revision, db) => ({ agent, apps: await change(apps, db) }), expected);
  }

  /**
   * Changes what a device shall run and sends it; `change` gets what it shall run now, and the revision that the result will have. Throws
   * LV_NOT_FOUND for the device, LV_STALE_REVISION when `expected` is given and is not the revision of now, LV_USAGE when the whole does
   * not fit into a message.
   */
  async changeDesired(
    device: string,
    change: (current: Desired, revision: number, db: Db) => Promise<{ apps: App[]; agent: DesiredAgent | undefined }>,
    expected?: number,
  ): Promise<Desired> {
    const { store, broker } = this.#options;
    const { desired, payload } = await store.transaction(async (db) => {
      const current = await getDesired(db, device);
      if (current === undefined) throw noDevice(device);
      if (expected !== undefined && expected !== current.revision)
        throw new LightvError("LV_STALE_REVISION", `the desired state of ${device} is at revision ${current.revision}, not ${expected}`, {
          hint: "read it again and repeat the change",
        });
      const revision = Math.max(current.revision, await reportedRevision(db, device)) + 1;
      const { apps, agent } = await change(current, revision, db);
      const next: Desired = { revision, issuedAt: this.#iso(), apps, ...(agent === undefined ? {} : { agent }) };
      const encoded = encode("desired", next);
      await putDesired(db, device, next);
      return { desired: next, payload: encoded };
    });
    await broker.send(device, "desired", payload, { retain: true });
    return desired;
  }

  /**
   * Gives a command; the same id again gives the command that is there. Throws LV_NOT_FOUND, LV_CONFLICT when too many wait or the id
   * was used for something else, LV_USAGE when it does not fit.
   */
  async command(device: string, command: Command): Promise<StoredCommand> {
    const { store, now } = this.#options;
    encode("cmd", command);
    const { stored, fresh } = await store.transaction(async (db) => {
      if ((await findDevice(db, device)) === undefined) throw noDevice(device);
      const known = await findCommand(db, device, command.id);
      if (known?.command.type === command.type) return { stored: known, fresh: false };
      if (known !== undefined)
        throw new LightvError("LV_CONFLICT", `command ${command.id} of ${device} was another one`, { hint: "use a new id" });
      if ((await countPending(db, device)) >= MAX_PENDING)
        throw new LightvError("LV_CONFLICT", `${MAX_PENDING} commands of ${device} have no answer yet`, {
          hint: "wait until the device is back; give commands an expiry",
        });
      const expiresAt = command.expiresAt === undefined ? null : Date.parse(command.expiresAt);
      await addCommand(db, { device, command, issuedAt: now(), expiresAt });
      return { stored: await findCommand(db, device, command.id), fresh: true };
    });
    if (fresh) await this.#sendCommand(device, command);
    if (stored === undefined) throw new LightvError("LV_INTERNAL", `command ${command.id} of ${device} is gone`);
    return stored;
  }

  /** The command once it is answered or expired, or as it is after `ms`. */
  async waitFor(device: string, id: string, ms: number, signal?: AbortSignal): Promise<StoredCommand | undefined> {
    const key = `${device} ${id}`;
    let wake = (): void => undefined;
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const waiters = this.#waiters.get(key) ?? new Set();
    this.#waiters.set(key, waiters.add(wake));
    const timer = setTimeout(wake, ms);
    signal?.addEventListener("abort", wake, { once: true });
    try {
      const found = await findCommand(this.#options.store.db, device, id);
      if (found?.state === "pending" && ms > 0) await woken;
      return await findCommand(this.#options.store.db, device, id);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      waiters.delete(wake);
      if (waiters.size === 0) this.#waiters.delete(key);
    }
  }

  /** A command is answered: wakes who waits for it. */
  settled(device: string, id: string): void {
    for (const wake of this.#waiters.get(`${device} ${id}`) ?? []) wake();
  }

  /** Ends commands whose time is over. */
  async sweep(): Promise<number> {
    const expired = await expireCommands(this.#options.store.db, this.#options.now());
    for (const { device, command } of expired) this.settled(device, command.id);
    return expired.length;
  }

  async #sendCommand(device: string, command: Command): Promise<void> {
    await markSent(this.#options.store.db, device, [command.id]);
    await this.#send(device, "cmd", command);
  }

  async #send<C extends Channel>(device: string, channel: C, message: Message<C>): Promise<void> {
    await this.#options.broker.send(device, channel, encode(channel, message));
  }

  #iso(): string {
    return new Date(this.#options.now()).toISOString();
  }
}

function encode<C extends Channel>(channel: C, message: Message<C>): string {
  try {
    return encodeMessage(channel, message);
  } catch (error) {
    throw new LightvError("LV_USAGE", error instanceof Error ? error.message : String(error), {
      hint: "a message holds at most 64 KiB: put less into it",
    });
  }
}

function noDevice(device: string): LightvError {
  return new LightvError("LV_NOT_FOUND", `no device "${device}"`, { hint: "`lightv fleet devices` lists them" });
}
