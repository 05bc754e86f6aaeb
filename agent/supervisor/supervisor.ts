/**
 * The reconcile loop: observe, plan, let each app's lane execute its steps, and again when something has changed. It holds nothing that a
 * restart would miss: sandboxes are found by their annotations, records are in the database.
 */
import { within } from "#agent/lib/deadline.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { AppReport } from "#agent/wire/protocol/reported.ts";
import { Lane } from "./lane.ts";
import { LimitWatch } from "./limit-watch.ts";
import type { AppPlan, ImageFacts, Moment, Step, Target } from "./model.ts";
import { Observer } from "./observer.ts";
import { plan, type World } from "./plan.ts";
import type { SupervisorParts } from "./ports.ts";
import { PressureWatch } from "./pressure-watch.ts";
import { afterFailure, type Chance, forgive, isFinal } from "./record.ts";
import { type Activity, reportOf } from "./report.ts";
import { execute, rejectVersion, STEP_PHASE, type StepContext } from "./steps.ts";

/** Without any news everything is looked at again so often: what no watch tells must not stay unseen. */
const RESYNC_MS = 60_000;
/** After an operation that has no back-off of its own has failed. */
const TROUBLE_MS = 5_000;

export class Supervisor {
  private readonly parts: SupervisorParts;
  private readonly observer: Observer;
  private readonly pressure: PressureWatch;
  private readonly limits: LimitWatch;
  private readonly lanes = new Map<string, Lane>();
  private readonly activities = new Map<string, Activity>();
  private readonly images = new Map<string, ImageFacts>();
  private readonly startMs = new Map<string, number>();
  /** Not before this monotonic time, by app. */
  private readonly pauses = new Map<string, number>();
  /** Undefined: not known yet, so that nothing is started, and nothing is taken for superfluous. */
  private targets: readonly Target[] | undefined;
  private plans: readonly AppPlan[] = [];
  private listeners: (() => void)[] = [];
  private wake: (() => void) | undefined;
  private dirty = false;
  private observed = false;
  private stopping = new AbortController();
  private loop: Promise<unknown> = Promise.resolve();

  constructor(parts: SupervisorParts) {
    this.parts = parts;
    this.observer = new Observer(parts, () => this.kick());
    this.pressure = new PressureWatch(parts, () => this.kick());
    this.limits = new LimitWatch(parts, () => this.observer.sandboxes.filter((sandbox) => sandbox.status === "running"));
  }

  /** Adopts what runs and goes on from there. Returns at once. */
  start(): void {
    this.stopping = new AbortController();
    const { signal } = this.stopping;
    this.loop = Promise.all([this.run(signal), this.pressure.run(signal), this.limits.run(signal)]);
  }

  /** Ends the operations under way at their next step, and leaves the workloads running. */
  async stop(): Promise<void> {
    this.stopping.abort(new LightvError("LV_UNAVAILABLE", "the agent is stopping"));
    for (const lane of this.lanes.values()) lane.preempt("the agent is stopping");
    this.kick();
    await this.loop;
    await Promise.all([...this.lanes.values()].map((lane) => lane.idle()));
    this.observer.close();
  }

  /** A newer desired state cuts off what is under way for another version of an app. */
  setDesired(targets: readonly Target[]): void {
    const hashes = new Map(targets.map((target) => [target.app.name, target.hash]));
    for (const before of this.targets ?? []) {
      if (hashes.get(before.app.name) !== before.hash) this.lanes.get(before.app.name)?.preempt("a newer desired state has come");
    }
    this.targets = targets;
    this.pauses.clear();
    this.kick();
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** What runs has been found and taken over, at least once. */
  get hasAdopted(): boolean {
    return this.observed;
  }

  reports(): AppReport[] {
    return this.plans.map((one) =>
      reportOf({
        plan: one,
        target: this.target(one.name),
        activity: this.activities.get(one.name),
        record: this.parts.records.get(one.name),
        health: this.observer.healthOf(one.shown?.id, this.target(one.name)),
        startMs: one.shown === undefined ? undefined : this.startMs.get(one.shown.id),
      }),
    );
  }

  /** The sandbox that represents an app now. Throws LV_NOT_FOUND. */
  sandboxOf(name: string): string {
    const id = this.plans.find((one) => one.name === name)?.shown?.id;
    if (id === undefined)
      throw new LightvError("LV_NOT_FOUND", `app ${name} has no sandbox on this device`, { hint: "see the app's phase and reason" });
    return id;
  }

  /** Stops and starts an app, and forgives it earlier failures. Throws why it does not run again. */
  async restart(name: string): Promise<void> {
    const target = this.target(name);
    if (target === undefined)
      throw new LightvError("LV_NOT_FOUND", `app ${name} is not desired on this device`, { hint: "deploy it first" });
    let failure: unknown;
    await this.lane(name).run(async (signal) => {
      this.parts.records.update(name, forgive);
      const running = this.observer.sandboxes.find((sandbox) => sandbox.app === name && sandbox.status === "running");
      if (running === undefined) return;
      const version = [target, this.parts.records.get(name).good].find((candidate) => candidate?.hash === running.hash) ?? target;
      failure = await this.perform(
        name,
        [
          { kind: "stop", sandbox: running, reason: "restart was asked for", unhealthy: undefined },
          { kind: "start", target: version },
        ],
        signal,
      );
    });
    this.kick();
    if (failure !== undefined) throw failure;
  }

  /** Something may have changed: look again. */
  kick(): void {
    this.dirty = true;
    this.wake?.();
  }

  private async run(signal: AbortSignal): Promise<void> {
    await this.parts.engine.sweep().catch((error: unknown) => this.parts.log.warn(messageOf(error)));
    while (!signal.aborted) {
      this.dirty = false;
      const sleepMs = await this.cycle().catch((error: unknown) => {
        this.parts.log.error(`looking at the sandboxes failed: ${messageOf(error)}`);
        return TROUBLE_MS;
      });
      if (!this.dirty && !signal.aborted) await this.sleep(sleepMs);
    }
  }

  private async sleep(ms: number): Promise<void> {
    const done = new AbortController();
    this.wake = () => done.abort(new Error("woken"));
    await this.parts.clock.sleep(ms, done.signal).catch(() => undefined);
    this.wake = undefined;
  }

  /** One round; gives the longest time until the next. */
  private async cycle(): Promise<number> {
    await this.observer.observe(this.targets ?? []);
    this.observed = true;
    if (this.targets === undefined) return RESYNC_MS;
    await this.learnImages(this.targets);
    this.plans = plan(this.targets, this.world());
    const now = this.parts.clock.uptimeMs();
    let sleepMs = RESYNC_MS;
    for (const one of this.plans) {
      const pauseMs = (this.pauses.get(one.name) ?? 0) - now;
      if (one.wakeAtMs !== undefined) sleepMs = Math.min(sleepMs, Math.max(1, one.wakeAtMs - now));
      if (pauseMs > 0) sleepMs = Math.min(sleepMs, pauseMs);
      else if (one.steps.length > 0 && !this.lane(one.name).busy) this.dispatch(one);
    }
    this.forgetGone();
    this.tell();
    return sleepMs;
  }

  private dispatch(one: AppPlan): void {
    void this.lane(one.name)
      .run(async (signal) => {
        await this.perform(one.name, one.steps, signal);
      })
      .finally(() => this.kick());
  }

  /** Executes steps in order; gives the error that ended them early. */
  private async perform(name: string, steps: readonly Step[], signal: AbortSignal): Promise<unknown> {
    const { clock, operationTimeoutMs, log } = this.parts;
    let step: Step | undefined;
    try {
      for (step of steps) {
        signal.throwIfAborted();
        this.stopping.signal.throwIfAborted();
        this.begin(name, step);
        const doing = step;
        log.debug(`${step.kind} ${name}`);
        await within(clock, operationTimeoutMs, `${step.kind} of app ${name}`, signal, (limit) =>
          execute(doing, this.context(name, limit)),
        );
      }
      return undefined;
    } catch (error) {
      if (signal.aborted || this.stopping.signal.aborted) return error;
      if (step !== undefined) this.fail(name, step, error);
      return error;
    } finally {
      this.activities.delete(name);
    }
  }

  private begin(name: string, step: Step): void {
    const phase = STEP_PHASE[step.kind];
    if (phase === undefined) return;
    const reason = "reason" in step ? step.reason : "";
    this.activities.set(name, { phase, reason, progress: undefined });
    this.tell();
  }

  private context(name: string, signal: AbortSignal): StepContext {
    return {
      parts: this.parts,
      chance: () => this.chance(),
      images: this.images,
      note: (sandbox) => this.observer.note(sandbox, this.targets ?? []),
      onProgress: (done, total, trouble = "") => {
        this.activities.set(name, { phase: "pulling", reason: trouble, progress: { done, total } });
        this.tell();
      },
      onStarted: (id, ms) => this.startMs.set(id, ms),
      signal,
    };
  }

  /** A final failure of a version rejects it, any other makes it wait; one that is no version's waits a little. */
  private fail(name: string, step: Step, error: unknown): void {
    const code = error instanceof LightvError ? error.code : "LV_INTERNAL";
    const reason = `${code}: ${messageOf(error)}`;
    this.parts.log.warn(`${step.kind} of app ${name} failed: ${reason}`);
    if (step.kind === "pull" || step.kind === "create" || step.kind === "launch" || step.kind === "start") {
      const { target } = step;
      if (isFinal(code)) rejectVersion(this.parts, target, code, reason);
      else this.parts.records.update(name, (record) => afterFailure(record, target.hash, target.app.restart, reason, this.chance()));
    } else {
      this.pauses.set(name, this.parts.clock.uptimeMs() + TROUBLE_MS);
    }
  }

  private async learnImages(targets: readonly Target[]): Promise<void> {
    const { records, images } = this.parts;
    const goods = targets.flatMap((target) => records.get(target.app.name).good ?? []);
    const digests = new Set([...targets, ...goods].map((target) => target.app.image.digest));
    this.images.clear();
    for (const digest of digests) {
      const facts = await images.facts(digest);
      if (facts !== undefined) this.images.set(digest, facts);
    }
    await images.keep(new Set([...digests, ...this.observer.sandboxes.map((sandbox) => sandbox.imageDigest)]));
  }

  /** What is neither desired nor there any more leaves no record. */
  private forgetGone(): void {
    const known = new Set(this.plans.map((one) => one.name));
    for (const name of this.parts.records.all().keys()) if (!known.has(name)) this.parts.records.forget(name);
    for (const [name, lane] of this.lanes) if (!known.has(name) && !lane.busy) this.lanes.delete(name);
    const ids = new Set(this.observer.sandboxes.map((sandbox) => sandbox.id));
    for (const id of this.startMs.keys()) if (!ids.has(id)) this.startMs.delete(id);
  }

  private world(): World {
    const { timing, architecture, capacity, records } = this.parts;
    const { sandboxes, health, runningSince } = this.observer;
    return {
      now: this.now(),
      timing,
      architecture,
      capacity,
      sandboxes,
      records: records.all(),
      images: this.images,
      health,
      runningSince,
      shortage: this.pressure,
    };
  }

  private now(): Moment {
    return { bootId: this.parts.clock.bootId(), uptimeMs: this.parts.clock.uptimeMs() };
  }

  private chance(): Chance {
    return { now: this.now(), random: this.parts.random, timing: this.parts.timing };
  }

  private target(name: string): Target | undefined {
    return this.targets?.find((target) => target.app.name === name);
  }

  private lane(name: string): Lane {
    const onDefect = (error: unknown): void => {
      this.parts.log.error(`app ${name}: ${messageOf(error)}`);
      this.pauses.set(name, this.parts.clock.uptimeMs() + TROUBLE_MS);
    };
    const lane = this.lanes.get(name) ?? new Lane(onDefect);
    this.lanes.set(name, lane);
    return lane;
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
