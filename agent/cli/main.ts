/** The verbs of `lightv` that are written in TypeScript; the native command hands them over with LIGHTV_ROOT set. */
import { randomBytes } from "node:crypto";
import { runCli } from "./run.ts";

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));

// `lightv import --help | head`
process.stdout.on("error", () => process.exit(0));

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupt.signal,
  newId: () => randomBytes(8).toString("hex"),
  now: () => performance.now(),
});
// An interrupted read of standard input would hold the process.
if (interrupt.signal.aborted) process.exit();
