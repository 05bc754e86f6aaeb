/** Whether a new tree can be started at all, before anything depends on it. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { LightvError, messageOf } from "#agent/lib/errors.ts";

/** A start under emulation on a busy device takes a second or two. */
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 64 * 1024;

/** `args`: the running agent's own, so that the new version reads the same configuration. Throws LV_IMAGE_BROKEN. */
export async function smokeCheck(tree: string, version: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const said = await run(tree, ["--version"], signal);
  if (said.trim() !== `lightvd ${version}`) throw bad(`lightvd --version says "${said.trim().slice(0, 80)}", not version ${version}`);
  await run(tree, [...args, "--check-config"], signal);
}

async function run(tree: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const program = join(tree, "bin", "lightvd");
  try {
    // SIGKILL: what does not start may not react to anything else either.
    const options = { timeout: TIMEOUT_MS, killSignal: "SIGKILL", maxBuffer: MAX_OUTPUT_BYTES, signal } as const;
    const { stdout } = await promisify(execFile)(program, [...args], options);
    return stdout;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const { stderr, killed } = error as { stderr?: string; killed?: boolean };
    const last = stderr?.trim().split("\n").at(-1)?.slice(0, 200);
    const why = killed ? `no end after ${TIMEOUT_MS / 1000} s` : last === undefined || last === "" ? messageOf(error) : last;
    throw bad(`lightvd ${args.at(-1)} of it fails: ${why}`, error);
  }
}

function bad(why: string, cause?: unknown): LightvError {
  return new LightvError("LV_IMAGE_BROKEN", `the new agent does not start: ${why}`, { cause });
}
