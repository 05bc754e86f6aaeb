/** Runs programs in the bench's mount namespace. Each is a process group of its own, so that a Ctrl-C reaches only the bench, which ends them. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where stderr goes: what is started may keep it open, and a pipe would be waited for. */
  readonly stderrFile?: string;
  /** Goes on although the bench is being ended: for what cleans up. */
  readonly always?: boolean;
}

export class Commands {
  readonly #signal: AbortSignal;
  readonly #environment: NodeJS.ProcessEnv;
  /** Put before each command; empty until there is a namespace. */
  prefix: readonly string[] = [];

  constructor(signal: AbortSignal, environment: NodeJS.ProcessEnv) {
    this.#signal = signal;
    this.#environment = environment;
  }

  /** Runs a program to its end. Rejects when it can't be started, when its time is over, and when the bench is ended. */
  run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
    if (options.always !== true) this.#signal.throwIfAborted();
    const [program = "", ...args] = [...this.prefix, ...command];
    const environment = { ...this.#environment, ...options.env };
    const complaints = options.stderrFile === undefined ? "pipe" : openSync(options.stderrFile, "a");
    const child = spawn(program, args, { cwd: options.cwd, env: environment, stdio: ["pipe", "pipe", complaints], detached: true });
    if (typeof complaints === "number") closeSync(complaints);
    const { promise, resolve, reject } = Promise.withResolvers<Ran>();
    let [stdout, stderr] = ["", ""];
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-20_000);
    });
    child.stdin?.on("error", () => undefined).end(options.input ?? "");
    let why: Error | undefined;
    const end = (reason: Error): void => {
      why = reason;
      endGroup(child, "SIGKILL");
    };
    const timer = setTimeout(
      () => end(new Error(`${command.join(" ")}: not done after ${options.timeoutMs} ms`)),
      options.timeoutMs ?? 600_000,
    );
    const aborted = (): void => end(this.#signal.reason as Error);
    if (options.always !== true) this.#signal.addEventListener("abort", aborted, { once: true });
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      this.#signal.removeEventListener("abort", aborted);
      if (why === undefined) resolve({ code: code ?? 255, stdout, stderr });
      else reject(why);
    });
    return promise;
  }

  /** The same, and an error with what it said when it fails. */
  async ok(command: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, options);
    if (code !== 0) throw new Error(`${command.join(" ")}: exit code ${code}: ${lastLine(stderr || stdout)}`);
    return stdout;
  }

  /** Starts a program that stays, its output in a file. */
  daemon(command: readonly string[], logFile: string, env: Readonly<Record<string, string>> = {}): ChildProcess {
    this.#signal.throwIfAborted();
    const [program = "", ...args] = [...this.prefix, ...command];
    const log = openSync(logFile, "a");
    const child = spawn(program, args, { env: { ...this.#environment, ...env }, stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    return child;
  }
}

export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}

/** Ends a daemon by its pid and waits for its end; SIGKILL when it does not go. */
export async function endDaemon(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM", patienceMs = 15_000): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once("exit", () => resolve());
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  await promise;
  clearTimeout(timer);
}
