/** Runs the programs that a build needs: quiet while all is well, with everything they said when not. */
import { spawnSync } from "node:child_process";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: Uint8Array;
}

/** Gives standard output as it is. Throws an Error with the command line and its output when it can't be run or fails. */
export function runBytes(command: string, args: readonly string[], options: RunOptions = {}): Buffer {
  const { cwd, env, input } = options;
  const result = spawnSync(command, args, {
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? {} : { input }),
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  });
  if (result.error !== undefined) throw new Error(`can't run ${command}: ${result.error.message}`, { cause: result.error });
  if (result.status !== 0) {
    const ended = result.signal === null ? `exit code ${result.status}` : `ended by ${result.signal}`;
    throw new Error(`${command} ${args.join(" ")} failed: ${ended}\n${result.stdout}\n${result.stderr}`);
  }
  return result.stdout;
}

/** The same as text. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): string {
  return runBytes(command, args, options).toString("utf8");
}
