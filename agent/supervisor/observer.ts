/** What runs, as it is seen: starts and ends become events exactly once, running sandboxes are watched and their health is asked. */
import { messageOf } from "#agent/lib/errors.ts";
import type { NativeWatch } from "#agent/sandbox/native.ts";
import type { HealthCheck } from "#agent/wire/protocol/app.ts";
import { type HealthState, watchHealth } from "./health.ts";
import type { Health, OwnSandbox, Target } from "./model.ts";
import type { SupervisorParts } from "./ports.ts";
import { afterExit, describeExit } from "./record.ts";
import { ownSandbox } from "./spec.ts";

interface Watched {
  readonly watch: NativeWatch;
  /** The check that is being asked, as JSON, and what ends the asking. */
  check: string | undefined;
  probes: AbortController;
}

export class Observer {
  sandboxes: readonly OwnSandbox[] = [];
  readonly health = new Map<string, Health>();
  readonly runningSince = new Map<string, number>();
  private readonly parts: SupervisorParts;
  private readonly onChange: () => void;
  private readonly watched = new Map<string, Watched>();

  constructor(parts: SupervisorParts, onChange: () => void) {
    this.parts = parts;
    this.onChange = onChange;
  }

  /** Looks at every sandbox. */
  async observe(targets: readonly Target[]): Promise<void> {
    const infos = await this.parts.engine.list();
    this.sandboxes = infos.map(ownSandbox).filter((sandbox) => sandbox !== undefined);
    for (const sandbox of this.sandboxes) {
      this.note(sandbox, targets);
      if (sandbox.status === "running") this.adopt(sandbox, targets);
    }
    const running = new Set(this.sandboxes.filter((sandbox) => sandbox.status === "running").map((sandbox) => sandbox.id));
    for (const id of this.watched.keys()) if (!running.has(id)) this.release(id);
  }

  /**
   * Notes a start or an end that nobody has noted yet. The keys come from the sandbox's own files, so that it does not matter who sees
   * them first, nor whether the agent was alive at the time.
   */
  note(sandbox: OwnSandbox, targets: readonly Target[]): void {
    const { events, records, clock, random, timing } = this.parts;
    const { id, app, revision, imageDigest, exit } = sandbox;
    if (sandbox.startedAt !== "") {
      const data = { sandboxId: id, revision, imageDigest, startedAt: sandbox.startedAt };
      events.addOnce(`start ${id} ${sandbox.startedAt}`, { type: "app.started", app, data });
    }
    if (exit === undefined) return;
    const requested = exit.shutdown === true || records.get(app).stopping.includes(id);
    const data = { sandboxId: id, revision, imageDigest, ...exit, requested, reason: describeExit(exit, sandbox.error) };
    events.addOnce(`exit ${id} ${exit.finishedAt}`, { type: "app.exited", app, data }, () => {
      if (exit.oomKilled) events.add({ type: "app.oom", app, data: { sandboxId: id, revision, memoryBytes: sandbox.memoryBytes } });
      const target = this.versionOf(sandbox, targets);
      const now = { bootId: clock.bootId(), uptimeMs: clock.uptimeMs() };
      records.update(app, (record) => afterExit(record, sandbox, exit, target, { now, random, timing }));
    });
  }

  healthOf(id: string | undefined, target: Target | undefined): Health {
    return (id === undefined ? undefined : this.health.get(id)) ?? (target?.app.health === undefined ? "none" : "starting");
  }

  /** Stops looking; the sandboxes go on. */
  close(): void {
    for (const id of [...this.watched.keys()]) this.release(id);
  }

  private adopt(sandbox: OwnSandbox, targets: readonly Target[]): void {
    const { id } = sandbox;
    const { engine, clock } = this.parts;
    if (!this.watched.has(id)) {
      const watch = engine.watch(id, () => {
        this.release(id);
        this.onChange();
      });
      this.watched.set(id, { watch, check: undefined, probes: new AbortController() });
      this.runningSince.set(id, clock.uptimeMs());
    }
    const version = this.versionOf(sandbox, targets);
    // No version of this app that we know: its rules stay as they were until it goes.
    if (version !== undefined) this.probe(sandbox, version.app.health);
  }

  /** Asks for the app's health by this check from now on; a check that has changed begins anew. */
  private probe(sandbox: OwnSandbox, check: HealthCheck | undefined): void {
    const { id, app } = sandbox;
    const watched = this.watched.get(id);
    const key = check === undefined ? undefined : JSON.stringify(check);
    if (watched === undefined || watched.check === key) return;
    watched.probes.abort(new Error("the health check has changed"));
    watched.probes = new AbortController();
    watched.check = key;
    this.health.delete(id);
    if (check === undefined) return;
    this.health.set(id, "starting");
    const { engine, clock, log } = this.parts;
    watchHealth(engine, clock, id, check, watched.probes.signal, (state) => this.onHealth(sandbox, state)).catch((error: unknown) =>
      log.error(`health of app ${app}: ${messageOf(error)}`),
    );
  }

  /** The desired version that the sandbox is, or the proven one that a rollback went back to. */
  private versionOf({ app, hash }: OwnSandbox, targets: readonly Target[]): Target | undefined {
    return [...targets, this.parts.records.get(app).good].find((one) => one?.app.name === app && one.hash === hash);
  }

  private onHealth(sandbox: OwnSandbox, state: HealthState): void {
    if (this.health.get(sandbox.id) !== state.health) {
      const data = { sandboxId: sandbox.id, revision: sandbox.revision, reason: state.reason };
      this.parts.events.add({ type: `app.${state.health}`, app: sandbox.app, data });
    }
    this.health.set(sandbox.id, state.health);
    this.onChange();
  }

  private release(id: string): void {
    const watched = this.watched.get(id);
    if (watched === undefined) return;
    this.watched.delete(id);
    this.health.delete(id);
    this.runningSince.delete(id);
    watched.probes.abort(new Error("the sandbox has ended"));
    watched.watch.close();
  }
}
