/** One executor for each kind of step. Each is idempotent: after a crash within one the next plan meets what it left. */
import { LightvError } from "#agent/lib/errors.ts";
import type { SandboxEngine } from "#agent/sandbox/engine.ts";
import type { SandboxInfo } from "#agent/sandbox/types.ts";
import type { Phase } from "#agent/wire/protocol/reported.ts";
import { memoryOf } from "./claim.ts";
import { checkHealthRule } from "./health.ts";
import type { ImageFacts, OwnSandbox, Step, StepOf, Target } from "./model.ts";
import type { PullOptions, SupervisorParts } from "./ports.ts";
import { afterFailure, type Chance, fallbackOf, refusalKey } from "./record.ts";
import { createRequestOf, ownSandbox, throttledLimits } from "./spec.ts";

export interface StepContext {
  readonly parts: SupervisorParts;
  readonly chance: () => Chance;
  readonly images: Map<string, ImageFacts>;
  /** Notes a start or an end that nobody has noted yet. */
  readonly note: (sandbox: OwnSandbox) => void;
  readonly onProgress: PullOptions["onProgress"];
  readonly onStarted: (id: string, startMs: number) => void;
  readonly signal: AbortSignal;
}

type Executors = { readonly [K in Step["kind"]]: (step: StepOf<K>, context: StepContext) => Promise<void> };

const EXECUTORS: Executors = { remove, stop, throttle, ease, pull, create, launch, start, refuse, reject, prove, settle };

export function execute(step: Step, context: StepContext): Promise<void> {
  // The table is typed by kind; the union's members can't be told apart by TypeScript in one call.
  const run = EXECUTORS[step.kind] as (step: Step, context: StepContext) => Promise<void>;
  return run(step, context);
}

/** What the app is doing while the step runs; undefined for steps that are over at once. */
export const STEP_PHASE: Readonly<Record<Step["kind"], Phase | undefined>> = {
  remove: "stopping",
  stop: "stopping",
  throttle: undefined,
  ease: undefined,
  pull: "pulling",
  create: "starting",
  launch: "starting",
  start: "starting",
  refuse: undefined,
  reject: undefined,
  prove: undefined,
  settle: undefined,
};

async function remove({ sandbox }: StepOf<"remove">, { parts, note }: StepContext): Promise<void> {
  const latest = await lookAt(parts.engine, sandbox.id);
  if (latest === undefined) return;
  note(latest);
  await parts.engine.remove(sandbox.id);
  parts.records.update(sandbox.app, (record) => ({ ...record, stopping: record.stopping.filter((id) => id !== sandbox.id) }));
}

async function stop({ sandbox, reason, unhealthy }: StepOf<"stop">, { parts, note, chance }: StepContext): Promise<void> {
  const { records, engine, events } = parts;
  events.add({ type: "app.stopping", app: sandbox.app, data: { sandboxId: sandbox.id, revision: sandbox.revision, reason } }, () => {
    records.update(sandbox.app, (record) => {
      const marked = { ...record, stopping: [...record.stopping.filter((id) => id !== sandbox.id), sandbox.id] };
      return unhealthy === undefined ? marked : afterFailure(marked, unhealthy.hash, unhealthy.app.restart, reason, chance());
    });
  });
  await engine.stop(sandbox.id, 0, -1);
  const latest = await lookAt(engine, sandbox.id);
  if (latest !== undefined) note(latest);
}

/** The limits before are remembered first: whatever happens next, they can be given back. */
async function throttle({ sandbox, reason }: StepOf<"throttle">, { parts }: StepContext): Promise<void> {
  const { engine, records, events } = parts;
  const { throttled } = records.get(sandbox.app);
  const limits = throttled?.sandboxId === sandbox.id ? throttled.limits : ((await engine.info(sandbox.id)).spec.limits ?? {});
  const less = throttledLimits(limits);
  events.add(
    { type: "app.throttled", app: sandbox.app, data: { sandboxId: sandbox.id, revision: sandbox.revision, reason, ...less } },
    () => records.update(sandbox.app, (record) => ({ ...record, throttled: { sandboxId: sandbox.id, limits } })),
  );
  await engine.update(sandbox.id, { ...limits, ...less });
}

async function ease({ sandbox }: StepOf<"ease">, { parts }: StepContext): Promise<void> {
  const { engine, records, events } = parts;
  const { throttled } = records.get(sandbox.app);
  if (throttled?.sandboxId !== sandbox.id) return;
  await engine.update(sandbox.id, throttled.limits);
  events.add({ type: "app.eased", app: sandbox.app, data: { sandboxId: sandbox.id, revision: sandbox.revision } }, () =>
    records.update(sandbox.app, ({ throttled: _throttled, ...record }) => record),
  );
}

async function pull({ target }: StepOf<"pull">, { parts, images, onProgress, signal }: StepContext): Promise<void> {
  const { image, name } = target.app;
  await parts.images.pull(image, { signal, onProgress });
  const facts = await parts.images.facts(image.digest);
  if (facts === undefined) throw new LightvError("LV_INTERNAL", `image ${image.digest} is not in the store after its pull`);
  images.set(image.digest, facts);
  parts.events.add({ type: "image.pulled", app: name, data: { image: image.name, digest: image.digest, bytes: image.size } }, () =>
    parts.records.update(name, (record) => (record.trial?.hash === target.hash ? { ...record, trial: undefined } : record)),
  );
}

async function create({ target }: StepOf<"create">, { parts, images }: StepContext): Promise<void> {
  checkHealthRule(target.app);
  await parts.engine.create(createRequestOf(target, memoryOf(target, images)));
  parts.records.update(target.app.name, (record) => ({ ...record, restarts: 0 }));
}

async function launch({ target }: StepOf<"launch">, { parts, images, onStarted }: StepContext): Promise<void> {
  const { engine, records, clock } = parts;
  const { name } = target.app;
  checkHealthRule(target.app);
  const before = clock.uptimeMs();
  records.update(name, (record) => ({ ...record, startedIn: clock.bootId() }));
  try {
    const { id } = await engine.run(createRequestOf(target, memoryOf(target, images)));
    onStarted(id, clock.uptimeMs() - before);
    records.update(name, (record) => ({ ...record, restarts: 0 }));
  } catch (error) {
    const made = await findVersion(engine, target);
    if (made !== undefined)
      records.update(name, (record) => ({ ...record, restarts: 0, stopping: withoutTwice(record.stopping, made.id) }));
    throw error;
  }
}

/** Its exit file tells a failed start again; it shall not be counted twice. */
function withoutTwice(stopping: readonly string[], id: string): string[] {
  return [...stopping.filter((other) => other !== id), id];
}

async function start({ target }: StepOf<"start">, { parts, onStarted }: StepContext): Promise<void> {
  const { engine, records, clock } = parts;
  const { name } = target.app;
  const sandbox = await findVersion(engine, target);
  if (sandbox === undefined)
    throw new LightvError("LV_NOT_FOUND", `the sandbox of app ${name}, revision ${target.revision}, is gone`, { hint: "it is made again" });
  const again = sandbox.status === "exited";
  try {
    const before = clock.uptimeMs();
    records.update(name, (record) => ({ ...record, startedIn: clock.bootId() }));
    await engine.start(sandbox.id);
    onStarted(sandbox.id, clock.uptimeMs() - before);
  } catch (error) {
    records.update(name, (record) => ({ ...record, stopping: withoutTwice(record.stopping, sandbox.id) }));
    throw error;
  }
  records.update(name, (record) => ({
    ...record,
    restarts: record.restarts + (again ? 1 : 0),
    stopping: record.stopping.filter((id) => id !== sandbox.id),
  }));
}

async function refuse({ target, code, reason }: StepOf<"refuse">, { parts }: StepContext): Promise<void> {
  const { name } = target.app;
  const data = { revision: target.revision, imageDigest: target.app.image.digest, code, reason };
  parts.events.add({ type: "app.failed", app: name, data }, () =>
    parts.records.update(name, (record) => ({ ...record, refused: refusalKey(target, code) })),
  );
}

async function reject({ target, code, reason }: StepOf<"reject">, { parts }: StepContext): Promise<void> {
  rejectVersion(parts, target, code, reason);
}

/** Remembers that a version is not to be tried again, and tells so. */
export function rejectVersion(parts: SupervisorParts, target: Target, code: LightvError["code"], reason: string): void {
  const { name } = target.app;
  const fallback = fallbackOf(parts.records.get(name), target);
  const data = { revision: target.revision, imageDigest: target.app.image.digest, code, reason };
  const event =
    fallback === undefined
      ? { type: "app.failed", app: name, data }
      : { type: "app.rolled-back", app: name, data: { ...data, toRevision: fallback.revision, toImageDigest: fallback.app.image.digest } };
  parts.events.add(event, () =>
    parts.records.update(name, (record) => ({
      ...record,
      trial: undefined,
      rejected: { hash: target.hash, revision: target.revision, code, reason },
    })),
  );
}

async function prove({ target }: StepOf<"prove">, { parts }: StepContext): Promise<void> {
  const { name } = target.app;
  parts.events.add({ type: "app.proved", app: name, data: { revision: target.revision, imageDigest: target.app.image.digest } }, () =>
    parts.records.update(name, ({ downs: _downs, ...record }) => ({
      ...record,
      good: target,
      rejected: record.rejected?.hash === target.hash ? undefined : record.rejected,
    })),
  );
}

async function settle({ target }: StepOf<"settle">, { parts }: StepContext): Promise<void> {
  parts.records.update(target.app.name, (record) => ({ ...record, trial: undefined }));
}

/** A sandbox as it is now; undefined when it is gone. */
async function lookAt(engine: SandboxEngine, id: string): Promise<OwnSandbox | undefined> {
  const found = (await engine.list()).find((info: SandboxInfo) => info.id === id);
  return found === undefined ? undefined : ownSandbox(found);
}

async function findVersion(engine: SandboxEngine, target: Target): Promise<OwnSandbox | undefined> {
  const own = (await engine.list()).map(ownSandbox);
  return own.find((sandbox) => sandbox?.app === target.app.name && sandbox.hash === target.hash);
}
