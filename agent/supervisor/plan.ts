/**
 * What to do next for each app, from what is observed and what is desired. Pure and level-triggered: it knows nothing of what was tried
 * before beyond the record, so that after a crash at any point the next plan goes on from what is there.
 */
import { admit, type Capacity, type Refusal } from "./admission.ts";
import { fallbackInReach, isForeign, olderOf, type Scene } from "./claim.ts";
import type { AppPlan, AppRecord, Health, Moment, OwnSandbox, Step, Target, Timing } from "./model.ts";
import { NO_RECORD } from "./model.ts";
import { strainOf } from "./pressure.ts";
import { priorityOf } from "./priority.ts";
import {
  attemptsOf,
  describeExit,
  downsOf,
  fallbackOf,
  isFailure,
  isRejected,
  maxRetriesOf,
  refusalKey,
  retryAtMs,
  startsAgain,
} from "./record.ts";

export interface World extends Scene {
  readonly now: Moment;
  readonly timing: Timing;
  readonly capacity: Capacity;
  /** By sandbox id; absent: not known yet. */
  readonly health: ReadonlyMap<string, Health>;
  /** Since when we have seen a sandbox run, in monotonic milliseconds, by id. */
  readonly runningSince: ReadonlyMap<string, number>;
  /** How short the device is of memory: a rung of pressure.ts, and the numbers for people. */
  readonly shortage: Shortage;
}

export interface Shortage {
  readonly rung: number;
  readonly reason: string;
}

/** One app's part of the world. */
interface View extends World {
  readonly target: Target;
  readonly own: readonly OwnSandbox[];
  readonly record: AppRecord;
  readonly refusal: Refusal | undefined;
}

/** A plan for each app that is desired or still has sandboxes; an app whose steps are empty is where it shall be. */
export function plan(targets: readonly Target[], world: World): AppPlan[] {
  const refusals = admit(targets, world);
  const desired = new Set(targets.map((target) => target.app.name));
  const leaving = new Set(world.sandboxes.map((sandbox) => sandbox.app).filter((app) => !desired.has(app)));
  const plans = [...leaving].map((name) => planRemoval(name, ownOf(world, name)));
  for (const target of targets) {
    const { name } = target.app;
    const record = world.records.get(name) ?? NO_RECORD;
    plans.push(planApp({ ...world, target, own: ownOf(world, name), record, refusal: refusals.get(name) }));
  }
  return plans;
}

function ownOf(world: World, name: string): OwnSandbox[] {
  return world.sandboxes.filter((sandbox) => sandbox.app === name);
}

function planRemoval(name: string, own: readonly OwnSandbox[]): AppPlan {
  const reason = "no longer desired";
  return {
    name,
    steps: own.flatMap((sandbox) => removal(sandbox, reason)),
    phase: "stopping",
    reason,
    wanted: undefined,
    shown: own.find((sandbox) => sandbox.status === "running") ?? own[0],
    wakeAtMs: undefined,
  };
}

function planApp(view: View): AppPlan {
  const { target, record } = view;
  if (strainOf(view.shortage.rung, priorityOf(target.app)) === "parked") return planParked(view, target);
  if (!isRejected(record, target)) return planVersion(view, target);
  const failed = `revision ${record.rejected?.revision} failed: ${record.rejected?.reason}`;
  const fallback = fallbackInReach(record, target, view.own, view.images);
  if (fallback === undefined) return planFailed(view, record.rejected?.reason ?? "");
  const back = planVersion(view, fallback);
  const reason = `rolled back to revision ${fallback.revision}, because ${failed}`;
  return { ...back, reason: back.reason === "" ? reason : `${back.reason}; ${reason}` };
}

/** Nothing to fall back to: what still runs goes on, what does not is cleared away. */
function planFailed(view: View, reason: string): AppPlan {
  const running = olderOf(view.target, view.own);
  if (running !== undefined && view.refusal?.makesWay === true) return planMakingWay(view, view.target, running, view.refusal);
  const rest = view.own.filter((sandbox) => sandbox !== running);
  const steps = rest.flatMap((sandbox) => removal(sandbox, "its version has failed"));
  if (running === undefined) return { ...result(view, view.target, steps, "failed", reason), shown: undefined };
  return {
    ...result(view, view.target, steps, "running", `an older version goes on, because the new one failed: ${reason}`),
    shown: running,
  };
}

/** Towards one version of the app, whether it is the desired one or the fallback. */
function planVersion(view: View, wanted: Target): AppPlan {
  const current = find(view, wanted.hash);
  if (current?.status === "running")
    return view.refusal?.makesWay === true ? planMakingWay(view, wanted, current, view.refusal) : planRunning(view, wanted, current);
  // Before any refusal: what is refused may be the version that goes on in its place.
  if (isForeign(wanted, view.own, view)) return planForeign(view, wanted);
  if (view.refusal !== undefined) return planRefused(view, wanted, view.refusal);
  if (current === undefined) return planNew(view, wanted);
  return current.status === "exited" && !view.record.stopping.includes(current.id)
    ? planExited(view, wanted, current)
    : planStart(view, wanted, "there");
}

/** Stopped until the device has memory again. */
function planParked(view: View, wanted: Target): AppPlan {
  const reason = `parked, because the device is short of memory: ${view.shortage.reason}`;
  const running = view.own.filter((sandbox) => sandbox.status === "running");
  return result(
    view,
    wanted,
    running.map((sandbox) => stop(sandbox, reason)),
    "parked",
    reason,
  );
}

function planMakingWay(view: View, wanted: Target, current: OwnSandbox, refusal: Refusal): AppPlan {
  const reason = `makes way for a more important app: ${refusal.reason}`;
  return result(view, wanted, [stop(current, reason)], "stopping", reason);
}

function planRefused(view: View, wanted: Target, refusal: Refusal): AppPlan {
  const older = view.own.find((sandbox) => sandbox.status === "running");
  const reason = `${refusal.code}: ${refusal.reason}`;
  const told = refusal.waits || view.record.refused === refusalKey(wanted, refusal.code);
  const steps: Step[] = told ? [] : [{ kind: "refuse", target: wanted, code: refusal.code, reason: refusal.reason }];
  if (older !== undefined) return result(view, wanted, steps, "running", `an older version goes on: ${reason}`);
  return result(view, wanted, steps, refusal.waits ? "pending" : "failed", reason);
}

function planForeign(view: View, wanted: Target): AppPlan {
  const { name, digest } = wanted.app.image;
  const reason = `image ${name} is for ${view.images.get(digest)?.architecture} and this device is ${view.architecture}: deploy an image for ${view.architecture}`;
  return result(view, wanted, [{ kind: "reject", target: wanted, code: "LV_IMAGE_PLATFORM", reason }], "starting", reason);
}

function planNew(view: View, wanted: Target): AppPlan {
  if (view.images.has(wanted.app.image.digest)) return planStart(view, wanted, "new");
  return (
    wait(view, wanted) ?? result(view, wanted, [{ kind: "pull", target: wanted }], "pulling", lastTrouble(view, wanted, "tried again"))
  );
}

/** Created before others stop: what can't be created must not cost what runs. */
function startSteps(wanted: Target, sandbox: "new" | "there", stops: readonly Step[]): Step[] {
  if (sandbox === "new" && stops.length === 0) return [{ kind: "launch", target: wanted }];
  const create: Step[] = sandbox === "new" ? [{ kind: "create", target: wanted }] : [];
  return [...create, ...stops, { kind: "start", target: wanted }];
}

/** Other versions stop first: they may hold the same ports, volumes and memory. */
function planStart(view: View, wanted: Target, sandbox: "new" | "there"): AppPlan {
  const spent = exhausted(view, wanted);
  if (spent !== undefined) return spent;
  const waiting = wait(view, wanted);
  if (waiting !== undefined) return waiting;
  const others = view.own.filter((sandbox) => sandbox.hash !== wanted.hash && sandbox.status === "running");
  const stops = others.map((sandbox): Step => stop(sandbox, `makes way for revision ${wanted.revision}`));
  return result(view, wanted, startSteps(wanted, sandbox, stops), "starting", lastTrouble(view, wanted, "tried again"));
}

function planRunning(view: View, wanted: Target, current: OwnSandbox): AppPlan {
  const { record, timing, now } = view;
  const health = view.health.get(current.id) ?? (wanted.app.health === undefined ? "none" : "starting");
  const good = record.good?.hash === wanted.hash;
  if (health === "unhealthy") return planUnhealthy(view, wanted, current, good);
  const ranMs = now.uptimeMs - (view.runningSince.get(current.id) ?? now.uptimeMs);
  const proven = good || health === "healthy" || (health === "none" && ranMs >= timing.provenMs);
  const steps: Step[] = strainSteps(view, wanted, current);
  if (proven && !good) steps.push({ kind: "prove", target: wanted });
  const stable = health !== "starting" && ranMs >= timing.stableMs;
  if (stable && attemptsOf(record, wanted.hash) > 0) steps.push({ kind: "settle", target: wanted });
  for (const other of view.own) {
    const keep = !proven && other.hash === record.good?.hash;
    if (other === current || (keep && other.status !== "running")) continue;
    steps.push(...(keep ? [stop(other, "a newer version runs")] : removal(other, "a newer version runs")));
  }
  const waits = [proven ? 0 : timing.provenMs - ranMs, stable || attemptsOf(record, wanted.hash) === 0 ? 0 : timing.stableMs - ranMs];
  const next = Math.min(...waits.filter((ms) => ms > 0), Number.POSITIVE_INFINITY);
  const slowed =
    record.throttled?.sandboxId === current.id ? `slowed down, because the device is short of memory: ${view.shortage.reason}` : "";
  const plan = result(view, wanted, steps, "running", [slowed, lastTrouble(view, wanted, "restarted")].filter(Boolean).join("; "));
  return { ...plan, shown: current, wakeAtMs: Number.isFinite(next) ? now.uptimeMs + next : undefined };
}

function strainSteps(view: View, wanted: Target, current: OwnSandbox): Step[] {
  const shall = strainOf(view.shortage.rung, priorityOf(wanted.app)) === "throttled";
  const is = view.record.throttled?.sandboxId === current.id;
  if (shall && !is) return [{ kind: "throttle", sandbox: current, reason: view.shortage.reason }];
  return is && !shall ? [{ kind: "ease", sandbox: current }] : [];
}

function planUnhealthy(view: View, wanted: Target, current: OwnSandbox, good: boolean): AppPlan {
  const reason = "its health check fails";
  const steps: Step[] =
    !good && fallbackOf(view.record, wanted) !== undefined
      ? [{ kind: "reject", target: wanted, code: "LV_TIMEOUT", reason: "it did not become healthy in its start period" }]
      : [{ ...stop(current, reason), unhealthy: wanted }];
  return { ...result(view, wanted, steps, "unhealthy", reason), shown: current };
}

/** It has ended by itself: the policy decides. */
function planExited(view: View, wanted: Target, current: OwnSandbox): AppPlan {
  const { exit } = current;
  if (startsAgain(wanted.app.restart, exit)) return planStart(view, wanted, "there");
  if (exit?.shutdown === true)
    return { ...result(view, wanted, [], "stopped", `${describeExit(exit)}; its restart policy is "no"`), shown: current };
  const reason = exit === undefined ? current.error : describeExit(exit, current.error);
  if (!isFailure(exit)) {
    const steps: Step[] = view.record.good?.hash === wanted.hash ? [] : [{ kind: "prove", target: wanted }];
    return { ...result(view, wanted, steps, "stopped", reason), shown: current };
  }
  if (fallbackOf(view.record, wanted) !== undefined)
    return result(view, wanted, [{ kind: "reject", target: wanted, code: "LV_SANDBOX", reason }], "failed", reason);
  return { ...result(view, wanted, [], "failed", `${reason}; its restart policy is "no"`), shown: current };
}

/** A version that has never proved good and has failed often enough goes, when there is one to go back to. */
function exhausted(view: View, wanted: Target): AppPlan | undefined {
  if (view.record.good?.hash === wanted.hash || fallbackOf(view.record, wanted) === undefined) return undefined;
  const [attempts, downs] = [attemptsOf(view.record, wanted.hash), downsOf(view.record, wanted.hash)];
  if (attempts < view.timing.provingAttempts && downs < view.timing.provingDowns) return undefined;
  const failed = `it failed ${attempts} times, at last because: ${view.record.trial?.reason}`;
  const reason = attempts < view.timing.provingAttempts ? `the machine went down ${downs} times while it was tried` : failed;
  return result(view, wanted, [{ kind: "reject", target: wanted, code: "LV_SANDBOX", reason }], "backoff", reason);
}

/** Not yet: the last failure's delay is not over. */
function wait(view: View, wanted: Target): AppPlan | undefined {
  const at = retryAtMs(view.record, wanted.hash, view.now);
  if (at <= view.now.uptimeMs) return undefined;
  const loops = attemptsOf(view.record, wanted.hash) > maxRetriesOf(wanted.app.restart, view.timing);
  const seconds = Math.ceil((at - view.now.uptimeMs) / 1000);
  const reason = `${view.record.trial?.reason}; tried again in ${seconds} s (failure ${attemptsOf(view.record, wanted.hash)})`;
  const older = view.own.some((sandbox) => sandbox.status === "running");
  const phase = older ? "running" : loops ? "crashloop" : "backoff";
  return { ...result(view, wanted, [], phase, older ? `an older version goes on: ${reason}` : reason), wakeAtMs: at };
}

function lastTrouble(view: View, wanted: Target, what: string): string {
  const { trial } = view.record;
  return trial?.hash === wanted.hash ? `${what}, because: ${trial.reason}` : "";
}

/** The one that runs, when a crash left two of the same version. */
function find(view: View, hash: string): OwnSandbox | undefined {
  const same = view.own.filter((sandbox) => sandbox.hash === hash);
  return same.find((sandbox) => sandbox.status === "running") ?? same[0];
}

function stop(sandbox: OwnSandbox, reason: string): Extract<Step, { kind: "stop" }> {
  return { kind: "stop", sandbox, reason, unhealthy: undefined };
}

function removal(sandbox: OwnSandbox, reason: string): Step[] {
  const remove: Step = { kind: "remove", sandbox, reason };
  return sandbox.status === "running" ? [stop(sandbox, reason), remove] : [remove];
}

function result(view: View, wanted: Target, steps: readonly Step[], phase: AppPlan["phase"], reason: string): AppPlan {
  const running = view.own.find((sandbox) => sandbox.status === "running");
  return { name: view.target.app.name, steps, phase, reason, wanted, shown: running ?? find(view, wanted.hash), wakeAtMs: undefined };
}
