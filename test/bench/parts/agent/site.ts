/** A controller and an agent for the bench, each with programs of its own, and idle apps on the device. */
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { App } from "#agent/wire/protocol/app.ts";
import { agentStatus } from "#test/lib/agent-status.ts";
import { until, World, type WorldOptions } from "#test/lib/world.ts";
import { type Arena, isMissing } from "../../arena/arena.ts";
import { endDaemon } from "../../arena/commands.ts";
import { WatchedBroker } from "./broker.ts";

const IMAGE = "bench-idle";

export class Site {
  readonly broker: WatchedBroker;
  readonly world: World;
  #image: App["image"] | undefined;
  #runtime: ChildProcess | undefined;

  private constructor(broker: WatchedBroker, world: World) {
    this.broker = broker;
    this.world = world;
  }

  /** Copies, not links: a page of `node` that the controller maps too would count as shared, and seem to be free. */
  static async open(arena: Arena, options: WorldOptions): Promise<Site> {
    const dist = { agent: join(arena.directory, "agent-dist"), fleet: join(arena.directory, "fleet-dist") };
    for (const copy of [dist.agent, dist.fleet]) cpSync(join(arena.top, "dist"), copy, { recursive: true, dereference: true });
    const broker = await WatchedBroker.start();
    const external = ["--set", `mqtt.url=${broker.url}`, "--set", `mqtt.public-url=${broker.url}`];
    const site = new Site(broker, new World({ ...options, dist, fleet: external }));
    arena.undo.add("agent and controller", () => site.close());
    await site.#startRuntime(arena);
    await site.world.start();
    await site.world.box.ok("import", "-q", "--change", 'CMD ["/idle"]', arena.tree, IMAGE);
    await site.world.fleetOk("push", IMAGE);
    await site.world.fleetOk("deploy", site.world.device, "first", "--image", IMAGE, "--wait");
    const { apps } = await site.world.controller.api<{ apps: App[] }>("GET", `/v1/devices/${site.world.device}/desired`);
    site.#image = apps[0]?.image;
    return site;
  }

  /** The hot path belongs to the machine, so the agent has it where there is one. */
  async #startRuntime(arena: Arena): Promise<void> {
    if (isMissing(await arena.lightvHot())) return;
    const { binary, root, runRoot } = this.world.box;
    this.#runtime = spawn(binary, ["--root", root, "--runroot", runRoot, "runtime", "serve"], { stdio: "ignore", detached: true });
    await until("lightv runtime to answer", async () =>
      (await this.world.box.lightv(["runtime", "status"])).code === 0 ? true : undefined,
    );
  }

  get hot(): boolean {
    return this.#runtime !== undefined;
  }

  get agentPid(): number {
    return this.world.agent?.pid ?? 0;
  }

  app(name: string, more: Partial<App> = {}): App {
    if (this.#image === undefined) throw new Error("the site is not open");
    return { name, image: this.#image, restart: { policy: "no" }, ...more };
  }

  /** Exactly these apps, and waits until each runs. */
  async have(apps: readonly App[], signal: AbortSignal): Promise<void> {
    await this.world.desire(apps);
    const names = new Set(apps.map(({ name }) => name));
    await until(
      `${apps.length} apps to run`,
      async () => {
        signal.throwIfAborted();
        this.#checkAgent();
        const status = await agentStatus(this.world.box.runRoot);
        const running = status?.apps.filter(({ name, phase }) => names.has(name) && phase === "running").length;
        return running === names.size && status?.apps.length === names.size ? true : undefined;
      },
      240_000,
      () => this.world.agentLog(),
    );
  }

  /** Nobody waits for one that is gone. */
  #checkAgent(): void {
    const { exitCode, signalCode } = this.world.agent ?? {};
    if (exitCode != null || signalCode != null) throw new Error(`the agent has ended: ${signalCode ?? `exit code ${exitCode}`}`);
  }

  idleApps(count: number): App[] {
    return Array.from({ length: count }, (_, i) => this.app(`idle-${i}`));
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    await this.world.endAgent().catch((error: unknown) => failures.push(error));
    if (this.#runtime !== undefined) {
      await this.world.box.lightv(["runtime", "stop"]);
      await endDaemon(this.#runtime);
    }
    for (const step of [() => this.world.close(), () => this.broker.close()]) await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join("; "));
  }
}

/** A pause that a Ctrl-C ends. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal });
}
