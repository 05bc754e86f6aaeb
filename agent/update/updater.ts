/**
 * Brings the agent to the version that it shall have: looks, plans, executes one plan, and again when something has changed. All that
 * must survive is in the slots' record and in the desired state, so it may be killed anywhere.
 */
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import type { AgentReport } from "#agent/wire/protocol/reported.ts";
import { install, online } from "./install.ts";
import { trustOf } from "./keys.ts";
import { isDiskFull, mayPass } from "./passing.ts";
import { plan, runningDigest, type UpdatePlan } from "./plan.ts";
import type { UpdateParts } from "./ports.ts";
import { Records } from "./records.ts";
import { addFailed, allTold, delayedKey, resumeTrial, type SlotState, startedKey, withoutTrial } from "./state.ts";
import { prove } from "./trial.ts";

/** Between two tries after what may pass: a full disk, no network. */
const RETRY_MIN_MS = 5_000;
const RETRY_MAX_MS = 600_000;
/** A launcher that can't write is not asked more often than this. */
const RELAUNCH_MS = 300_000;
/** Longest reason of the protocol. */
const MAX_REASON = 1024;

type Shown = Pick<AgentReport, "phase" | "reason" | "progress">;

export class Updater {
  private readonly parts: UpdateParts;
  private readonly records: Records | undefined;
  private wanted: DesiredAgent | undefined;
  private digest: string | undefined;
  private shown: Shown;
  private wake: (() => void) | undefined;
  private dirty = true;
  private readonly startedAt: number;
  private failures = 0;
  private stopping = new AbortController();
  /** Of the operation under way; a newer wish ends it. */
  private operation = new AbortController();
  private loop: Promise<void> = Promise.resolve();

  constructor(parts: UpdateParts) {
    this.parts = parts;
    const { directory, base, trial } = parts.launch;
    this.records = directory === undefined ? undefined : new Records(directory, base);
    this.startedAt = parts.clock.uptimeMs();
    this.shown = { phase: trial ? "trial" : "current", reason: "" };
  }

  start(wanted: DesiredAgent | undefined): void {
    this.wanted = wanted;
    this.loop = this.run(this.stopping.signal);
  }

  async stop(): Promise<void> {
    const reason = new LightvError("LV_UNAVAILABLE", "the agent is stopping");
    this.stopping.abort(reason);
    this.operation.abort(reason);
    this.kick();
    await this.loop;
  }

  setWanted(wanted: DesiredAgent | undefined): void {
    const before = this.wanted;
    const same = wanted?.digest === before?.digest && wanted?.attempt === before?.attempt;
    this.wanted = wanted;
    if (!same) {
      this.failures = 0;
      if (before !== undefined) this.parts.payloads.unpin(before.digest);
      this.operation.abort(new LightvError("LV_STALE_REVISION", "another version is wanted now"));
      // What was said of the one before must not be taken for this one's.
      if (!this.parts.launch.trial) this.shown = { phase: wanted === undefined ? "current" : "pulling", reason: "" };
    }
    this.kick();
  }

  private kick(): void {
    this.dirty = true;
    this.wake?.();
  }

  report(): AgentReport {
    const { version, launch } = this.parts;
    const { wanted, digest } = this;
    const other = wanted !== undefined && wanted.digest !== digest;
    return {
      version,
      ...(digest === undefined ? {} : { digest }),
      slot: launch.slot,
      ...this.shown,
      ...(other ? { wanted: { version: wanted.version, digest: wanted.digest, attempt: wanted.attempt ?? 0 } } : {}),
    };
  }

  private async run(signal: AbortSignal): Promise<void> {
    let recovered = false;
    while (!signal.aborted) {
      this.dirty = false;
      this.operation = new AbortController();
      let pauseMs: number | undefined;
      try {
        if (!recovered) await this.recover();
        recovered = true;
        pauseMs = await this.cycle();
      } catch (error) {
        if (signal.aborted) return;
        // What could not be told is told before anything else.
        recovered = false;
        pauseMs = await this.trouble(error);
      }
      if (!this.dirty && !signal.aborted) await this.sleep(pauseMs, signal);
    }
  }

  /** Tells what the launcher and the agents before us could not tell, and clears away what they left. */
  private async recover(): Promise<void> {
    const { records } = this;
    const { launch, log, clearProof } = this.parts;
    if (records === undefined) return;
    const state = await records.read();
    this.digest = runningDigest(state, launch.slot) ?? (launch.trial ? state.trial?.digest : undefined);
    if (launch.trial && state.trial?.slot === launch.slot) return;
    await this.tell(state);
    await clearProof().catch((error: unknown) => log.warn(messageOf(error)));
    for (const name of await records.sweep(state, launch.slot)) log.info(`removed ${name} of an update that did not end`);
  }

  /** Events first, then that they are told: until then a key keeps each from being told twice. The same may happen another time. */
  private async tell(state: SlotState): Promise<void> {
    const { events, launch, version } = this.parts;
    const keys: string[] = [];
    for (const one of (state.failed ?? []).filter(({ told }) => told !== true)) {
      const key = `agent-failed:${one.digest}:${one.attempt ?? 0}`;
      const data = { version: one.version, digest: one.digest, reason: one.reason, running: version };
      if (one.wasTried === true) events.addOnce(key, { type: "agent.rolled-back", data });
      else events.addOnce(key, { type: "agent.update-failed", data });
      keys.push(key, startedKey(one), delayedKey(one));
    }
    const tree = launch.slot === "usr" ? undefined : state.proven?.[launch.slot];
    if (tree !== undefined && tree.told !== true) {
      const key = `agent-updated:${tree.digest}:${tree.attempt ?? 0}`;
      events.addOnce(key, { type: "agent.updated", data: { version: tree.version, digest: tree.digest, slot: launch.slot } });
      keys.push(key, startedKey(tree), delayedKey(tree));
    }
    if (keys.length === 0) return;
    await this.records?.write(allTold(state));
    events.forget(keys);
  }

  /** One plan, executed; gives how long to wait for news. */
  private async cycle(): Promise<number | undefined> {
    const { launch, architecture, keysDirectory, log } = this.parts;
    const { wanted } = this;
    const state = await this.records?.read();
    const trust = wanted === undefined ? "no-keys" : await trustOf(wanted, keysDirectory, log);
    const next = plan({ wanted, state, launch, architecture, trust, keysDirectory });
    return this.execute(next, wanted, state);
  }

  private async execute(next: UpdatePlan, wanted: DesiredAgent | undefined, state: SlotState | undefined): Promise<number | undefined> {
    const { records } = this;
    if (next.do === "nothing" || next.do === "remember" || next.do === "refuse") await this.cancelTrial(state);
    switch (next.do) {
      case "nothing":
        this.show({ phase: "current", reason: "" });
        return undefined;
      case "remember":
        this.show({ phase: "failed", reason: next.reason });
        return undefined;
      case "refuse":
        this.refuse(next, wanted);
        // Somebody may put a key there.
        return RETRY_MAX_MS;
      case "prove":
        if (records !== undefined) await this.prove(records);
        return undefined;
      case "relaunch":
        return this.relaunch(state);
      case "resume":
        if (records !== undefined) await this.resume(records);
        return undefined;
      case "install":
        if (records === undefined || wanted === undefined) return undefined;
        await this.install(records, next.slot, wanted);
        return undefined;
      default:
        return next satisfies never;
    }
  }

  /** The launcher must not try what nobody wants any more, or may want: it could not begin yet. */
  private async cancelTrial(state: SlotState | undefined): Promise<void> {
    const { records } = this;
    const { clock, launch } = this.parts;
    const next = state === undefined ? undefined : withoutTrial(state, clock.bootId());
    if (records === undefined || next === undefined) return;
    await records.write(next);
    await records.sweep(next, launch.slot);
  }

  private refuse({ reason, event }: { reason: string; event: boolean }, wanted: DesiredAgent | undefined): void {
    if (event && wanted !== undefined) {
      const { version, digest, attempt = 0 } = wanted;
      const data = { version, digest, reason, running: this.parts.version };
      this.parts.events.addOnce(`agent-refused:${digest}:${attempt}:${reason.slice(0, 16)}`, { type: "agent.update-failed", data });
    }
    if (this.shown.reason !== reason) this.parts.log.warn(`no self-update: ${reason}`);
    this.show({ phase: "failed", reason });
  }

  private async prove(records: Records): Promise<void> {
    this.show({ phase: "trial", reason: "" });
    const committed = await prove(this.parts, records, this.stopping.signal);
    if (!committed) return;
    this.digest = runningDigest(await records.read(), this.parts.launch.slot);
    this.show({ phase: "current", reason: "" });
    await this.tell(await records.read());
    this.kick();
  }

  /** The launcher could not record the try. If we can write, it can now. */
  private async relaunch(state: SlotState | undefined): Promise<number> {
    this.show({ phase: "installing", reason: "waits for a start of the service that can be recorded on the disk" });
    if (this.parts.clock.uptimeMs() - this.startedAt < RELAUNCH_MS) return RELAUNCH_MS;
    if (state !== undefined) await this.records?.write(state);
    this.parts.end("the new version is to be tried", false);
    return RELAUNCH_MS;
  }

  /** It had no network in its trial. */
  private async resume(records: Records): Promise<void> {
    const signal = AbortSignal.any([this.operation.signal, this.stopping.signal]);
    await online(this.parts, (shown) => this.show(shown), signal);
    await records.write(resumeTrial(await records.read()));
    signal.throwIfAborted();
    this.parts.end("the new version is to be tried again: there is a network now", false);
  }

  private async install(records: Records, slot: "a" | "b", wanted: DesiredAgent): Promise<void> {
    const signal = AbortSignal.any([this.operation.signal, this.stopping.signal]);
    try {
      await install(this.parts, records, slot, wanted, (shown) => this.show(shown), signal);
    } catch (error) {
      // Half a tree takes room that the next try needs.
      await records.sweep(await records.read(), this.parts.launch.slot);
      if (signal.aborted) throw error;
      if (isDiskFull(error)) await this.parts.payloads.makeRoom();
      if (mayPass(error)) throw error;
      await this.fail(records, wanted, error);
    }
  }

  /** This payload will not do: never again by itself. */
  private async fail(records: Records, wanted: DesiredAgent, error: unknown): Promise<void> {
    const code = error instanceof LightvError ? error.code : "LV_INTERNAL";
    const reason = `${code}: ${messageOf(error)}`;
    this.parts.log.error(`the update to version ${wanted.version} failed: ${reason}`);
    const state = addFailed({ ...(await records.read()), trial: null }, wanted, reason, this.parts.clock.wall());
    await records.write(state);
    await this.tell(state);
    this.kick();
  }

  /** What may pass, after which it is tried again; gives when. */
  private async trouble(error: unknown): Promise<number> {
    if (this.operation.signal.aborted) return 0;
    const code = error instanceof LightvError ? error.code : "LV_INTERNAL";
    const pauseMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(this.failures++, 10));
    this.parts.log.warn(`self-update waits: ${messageOf(error)}`, { retryInMs: pauseMs });
    this.show({ phase: this.shown.phase, reason: `${code}: ${messageOf(error)}` });
    return pauseMs;
  }

  private show(shown: Shown): void {
    const { progress } = shown;
    this.shown = { phase: shown.phase, reason: shown.reason.slice(0, MAX_REASON), ...(progress === undefined ? {} : { progress }) };
    this.parts.onChange();
  }

  private async sleep(ms: number | undefined, signal: AbortSignal): Promise<void> {
    const timer = new AbortController();
    const over = ms === undefined ? new Promise<void>(() => undefined) : this.parts.clock.sleep(ms, timer.signal).catch(() => undefined);
    const woken = new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    signal.addEventListener("abort", () => this.wake?.(), { once: true, signal: timer.signal });
    await Promise.race([over, woken]);
    this.wake = undefined;
    timer.abort(new Error("done"));
  }
}
