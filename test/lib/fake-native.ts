/**
 * An engine of sandboxes in memory, with the addon's interface and error convention: for tests of what the agent decides. What sandboxes
 * really do is tested with the real addon in test/integration.
 */
import type { NativeEngine } from "#agent/sandbox/native.ts";
import type { CreateRequest, ExecRequest, SandboxInfo, SandboxStats } from "#agent/sandbox/types.ts";
import type { FakeClock } from "./fake-clock.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Sandbox = Mutable<SandboxInfo> & { request: CreateRequest };

/** How a workload's start shall end, by its command's first word. */
export type Behaviour = "run" | "not-found" | "refuse" | "exit-0" | "exit-1";

export class FakeNative {
  readonly sandboxes = new Map<string, Sandbox>();
  readonly calls: string[] = [];
  /** Programs that were executed inside. */
  readonly execs: string[] = [];
  private readonly clock: FakeClock;
  private readonly watchers = new Map<string, Set<(json: string) => void>>();
  private ids = 0;
  private ends = 0;
  /** Workloads whose execve succeeded. */
  starts = 0;
  /** By the command's first word; "run" when it is not here. */
  readonly behaviour = new Map<string, Behaviour>();
  /** What programs that are executed inside end with, by their first word; 0 when it is not here. */
  readonly execExitCodes = new Map<string, number>();
  /** Counters of a sandbox, by id. */
  readonly counters = new Map<string, SandboxStats>();
  /** Called before each call: may throw, to end the agent there. */
  beforeCall: (name: string) => void = () => undefined;

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  engine(): NativeEngine {
    const call = async <T>(name: string, body: () => T): Promise<T> => {
      this.beforeCall(name);
      this.calls.push(name);
      return body();
    };
    return {
      create: (json) => call("create", () => this.create(JSON.parse(json) as CreateRequest)),
      run: async (json) => {
        const id = await this.engine().create(json);
        return JSON.stringify({ id, ...(JSON.parse(await this.engine().start(id)) as object) });
      },
      start: (id) => call("start", () => this.start(id)),
      find: async (id) => id,
      info: async (id) => JSON.stringify(this.get(id)),
      list: async () => JSON.stringify([...this.sandboxes.values()]),
      stats: async (id) => JSON.stringify({ memoryBytes: 1000, oomKills: 0, ...this.counters.get(id) }),
      update: (id, json) => call("update", () => void Object.assign(this.get(id), { spec: { limits: JSON.parse(json) } })),
      stop: (id) => call("stop", () => this.end(id, { exitCode: 143, signal: 15 })),
      kill: (id) => call("kill", () => this.end(id, { exitCode: 137, signal: 9 })),
      remove: (id) => call("remove", () => this.remove(id)),
      exec: async (_id, json) => this.exec(JSON.parse(json) as ExecRequest),
      watch: (id, onEnd) => this.watch(id, onEnd),
      sweep: async () => 0,
      logPath: (id) => `/nonexistent/${id}/log`,
    };
  }

  /** A workload ends by itself, or its monitor is lost. */
  end(
    id: string,
    exit: { exitCode: number; signal?: number; oomKilled?: boolean; lost?: boolean; shutdown?: boolean; error?: string },
  ): void {
    const sandbox = this.get(id);
    if (sandbox.status !== "running") return;
    sandbox.status = "exited";
    sandbox.exit = { signal: 0, oomKilled: false, error: "", finishedAt: `${this.clock.wall().slice(0, -1)}${++this.ends}Z`, ...exit };
    for (const onEnd of this.watchers.get(id) ?? []) onEnd(JSON.stringify(sandbox.exit));
    this.watchers.delete(id);
  }

  /** Everything stops at once: the next boot finds what ran lost. */
  powerCut(): void {
    this.watchers.clear();
    for (const { id } of this.running()) this.end(id, { exitCode: 137, signal: 9, lost: true });
  }

  running(): Sandbox[] {
    return [...this.sandboxes.values()].filter((sandbox) => sandbox.status === "running");
  }

  /** The agent is gone, and its watches with it. */
  dropWatches(): void {
    this.watchers.clear();
  }

  private create(request: CreateRequest): string {
    const taken = [...this.sandboxes.values()].some((sandbox) => sandbox.name === request.name);
    if (taken) throw Object.assign(new Error(`the name ${request.name} is taken`), { op: "create", errno: 17 });
    const id = (++this.ids).toString(16).padStart(16, "0");
    const { name, image, annotations } = request;
    const base = { id, name, imageDigest: image, status: "created" as const, pid: 0, startedAt: "", exit: null, warnings: [], annotations };
    this.sandboxes.set(id, { ...base, spec: { limits: request.limits }, request });
    return id;
  }

  private start(id: string): string {
    const sandbox = this.get(id);
    if (sandbox.status === "running") throw Object.assign(new Error("it runs"), { op: "start", errno: 114 });
    const command = sandbox.request.command?.[0] ?? "";
    const behaviour = this.behaviour.get(command) ?? "run";
    if (behaviour === "not-found") throw Object.assign(new Error(`${command}: no such file`), { op: "exec", errno: 2 });
    if (behaviour === "refuse") throw Object.assign(new Error("mount failed"), { op: "mount", errno: 5 });
    Object.assign(sandbox, { status: "running", pid: 4242, startedAt: `${this.clock.wall().slice(0, -1)}${++this.ends}Z`, exit: null });
    this.starts++;
    if (behaviour === "exit-0") this.end(id, { exitCode: 0 });
    if (behaviour === "exit-1") this.end(id, { exitCode: 1 });
    return JSON.stringify({ pid: 4242, warnings: [] });
  }

  private remove(id: string): void {
    this.end(id, { exitCode: 137, signal: 9 });
    this.sandboxes.delete(id);
  }

  private exec({ args: [program = ""] }: ExecRequest): string {
    this.execs.push(program);
    const exitCode = this.execExitCodes.get(program) ?? 0;
    return JSON.stringify({ exitCode, stdout: "", stderr: "", truncated: false, timedOut: false });
  }

  private watch(id: string, onEnd: (json: string) => void): { close(): void } {
    const watchers = this.watchers.get(id) ?? new Set();
    this.watchers.set(id, watchers.add(onEnd));
    return { close: () => watchers.delete(onEnd) };
  }

  private get(id: string): Sandbox {
    const sandbox = this.sandboxes.get(id);
    if (sandbox === undefined) throw Object.assign(new Error(`No such sandbox: ${id}`), { op: "find", errno: 2 });
    return sandbox;
  }
}
