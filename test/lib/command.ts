/** Runs the built `lightv` on roots of its own, so that a test never touches the machine's own store. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { PATIENCE } from "./patience.ts";

export const TOP = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const DIST = join(TOP, "dist");

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; never rejects for its exit code. A signal is 128+n, as a shell says it. */
export function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; input?: string; timeoutMs?: number } = {},
): Promise<Ran> {
  return new Promise((resolveRan, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: (options.timeoutMs ?? 60_000) * PATIENCE,
      killSignal: "SIGKILL",
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data) => {
      stdout += data;
    });
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolveRan({ code: code ?? (signal === "SIGKILL" ? 137 : 143), stdout, stderr }));
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** A pair of roots with the command bound to them. `close()` removes every sandbox first. */
export class Box {
  readonly directory: string;
  readonly root: string;
  readonly runRoot: string;
  readonly binary: string;

  constructor(binary = process.env.LIGHTV_BIN ?? join(DIST, "bin", "lightv")) {
    this.directory = mkdtempSync(join(tmpdir(), "lightv-box-"));
    this.root = join(this.directory, "root");
    this.runRoot = join(this.directory, "run");
    this.binary = binary;
  }

  /** Why tests with real sandboxes can't run here, or undefined. */
  static unavailable(binary = process.env.LIGHTV_BIN ?? join(DIST, "bin", "lightv")): string | undefined {
    if (process.getuid?.() !== 0) return "needs root";
    return existsSync(binary) ? undefined : `${binary} is not built: npm run build`;
  }

  get env(): NodeJS.ProcessEnv {
    return { LIGHTV_ROOT: this.root, LIGHTV_RUNROOT: this.runRoot };
  }

  lightv(args: readonly string[], options: { input?: string; timeoutMs?: number; env?: NodeJS.ProcessEnv } = {}): Promise<Ran> {
    return run(this.binary, args, { ...options, env: { ...this.env, ...options.env } });
  }

  /** The same, and an error when it fails. Gives stdout without the last line's end. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.lightv(args);
    if (code !== 0) throw new Error(`lightv ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  async close(): Promise<void> {
    const { stdout } = await this.lightv(["ps", "-aq", "--no-trunc"]);
    const ids = stdout.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await this.lightv(["rm", "-f", ...ids]);
    // A sandbox with --rm may still be going when its command has ended.
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}
