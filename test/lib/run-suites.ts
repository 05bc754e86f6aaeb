/** Runs each test file in a process of its own and counts what was registered, executed and skipped there, not what uvu says. */
import { spawn } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { MARK } from "./marks.ts";

export interface Outcome {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  /** "suite: test: reason" */
  readonly skipped: readonly string[];
  /** Shown when something failed. */
  readonly output: string;
}

export interface FileOptions {
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Gets what is written to stderr as it comes: for tests that take minutes. */
  readonly progress?: (text: string) => void;
}

const FILE_TIMEOUT_MS = 15 * 60_000;

export async function runFiles(top: string, part: string, parallel: number): Promise<Outcome[]> {
  const root = join(top, "test", part);
  if (!existsSync(root)) return [];
  const queue = globSync("**/*.test.ts", { cwd: root }).sort();
  const outcomes: Outcome[] = [];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      outcomes.push(await runFile(join(root, file), `${part}/${file}`));
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return outcomes;
}

/** One test file in a process of its own, which ends with this one. `env` is added to the environment. */
export async function runFile(file: string, name: string, options: FileOptions = {}): Promise<Outcome> {
  const env = { ...process.env, ...options.env };
  const args = ["--disable-warning=ExperimentalWarning", file];
  const { code, output } = await capture(process.execPath, args, options.timeoutMs, env, options.progress);
  return count(name, code, output);
}

/** A suite's verdict from its marks: all that was registered must have run, and the process must have ended well. */
export function count(name: string, code: number | null, output: string): Outcome {
  const marks = (kind: string): string[] =>
    output
      .split(`${MARK}${kind} `)
      .slice(1)
      .map((rest) => String(JSON.parse(rest.slice(0, rest.indexOf("\n")))));
  const registered = marks("registered").length;
  const executed = marks("executed").length;
  const skipped = marks("skipped");
  const failures = output.match(/^\s+FAIL {2}/gm)?.length ?? 0;
  const problems: string[] = [];
  if (registered === 0) problems.push("no test was registered");
  if (executed < registered) problems.push(`${registered - executed} of ${registered} tests were not executed`);
  if (code !== 0 && failures === 0) problems.push(`the process ended with ${code ?? "a signal"}`);
  const failed = failures + problems.length;
  const passed = Math.max(0, executed - skipped.length - failures);
  const clean = output
    .split("\n")
    .map((line) => line.split(MARK)[0])
    .filter((line) => line !== "")
    .join("\n");
  return { name, passed, failed, skipped, output: [clean, ...problems].join("\n") };
}

/** stdout and stderr together; the process group is ended when its time is over. */
export function capture(
  command: string,
  args: readonly string[],
  timeoutMs = FILE_TIMEOUT_MS,
  env: NodeJS.ProcessEnv = process.env,
  progress: (text: string) => void = () => {},
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env, detached: true });
    let output = "";
    const add = (data: Buffer): void => {
      output += data.toString("utf8");
    };
    child.stdout.on("data", add);
    child.stderr.on("data", (data: Buffer) => {
      add(data);
      progress(data.toString("utf8"));
    });
    const timer = setTimeout(() => {
      output += `\nnot done after ${timeoutMs / 1000} s\n`;
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    }, timeoutMs);
    // "exit", not "close": a process that a test left behind must not hold the runner.
    child.on("exit", (code) => {
      clearTimeout(timer);
      setTimeout(() => resolve({ code, output }), 50);
    });
    child.on("error", (error) => resolve({ code: null, output: output + error.message }));
  });
}

export function print(outcome: Outcome): void {
  const verdict = outcome.failed > 0 ? "FAILED" : "ok    ";
  console.log(`${verdict}  ${outcome.name}  ${outcome.passed} passed${outcome.failed > 0 ? `, ${outcome.failed} failed` : ""}`);
  for (const reason of outcome.skipped) console.log(`        skipped: ${reason}`);
  if (outcome.failed > 0)
    console.log(
      outcome.output
        .split("\n")
        .map((line) => `        ${line}`)
        .join("\n"),
    );
}
