/** lightvd, the agent: reads the configuration, runs the agent until SIGTERM. The workloads go on when it ends. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Config, loadConfig } from "#agent/config/config.ts";
import { type Flags, HELP, parseFlags } from "#agent/config/flags.ts";
import { systemClock } from "#agent/lib/clock.ts";
import { isLightvError, LightvError, messageOf } from "#agent/lib/errors.ts";
import { createLogger } from "#agent/lib/log.ts";
import { keepSmall } from "#agent/lib/memory.ts";
import { loadNative } from "#agent/sandbox/load.ts";
import { locate } from "#agent/sandbox/locate.ts";
import { keepWatchdog } from "#agent/sandbox/watchdog.ts";
import { launchOf } from "#agent/update/launch.ts";
import { isDevices } from "#agent/update/passing.ts";
import manifest from "../package.json" with { type: "json" };

const here = dirname(fileURLToPath(import.meta.url));
const DEFAULT_CONFIG = "/etc/lightv/lightvd.conf";
/** Exit code of an agent on trial that could not prove itself. */
const UPDATE_FAILED = 3;
/** EX_TEMPFAIL of sysexits.h: the disk or another process is in the way. The launcher does not count it against this version. */
const MAY_PASS = 75;

/** Gives the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args);
  if (flags.mode === "help") return print(HELP);
  if (flags.mode === "version") return print(`lightvd ${manifest.version}\n`);
  const installed = join(here, "../../etc/lightv/lightvd.conf");
  const file = flags.config ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : installed);
  const config = await loadConfig(file, flags.values, flags.config !== undefined);
  if (flags.mode === "check-config") return print(`${file}: the configuration is right\n`);
  return serve(config, flags, args);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function serve(config: Config, flags: Flags, args: readonly string[]): Promise<number> {
  const clock = systemClock();
  const log = createLogger({
    level: config.logLevel,
    journald: process.env.JOURNAL_STREAM !== undefined,
    write: (line) => process.stderr.write(line),
    wall: clock.wall,
  });
  const native = loadNative(locate(flags.addon, "--addon", [join(here, "lightv.node"), join(here, "../build/release/lightv.node")]));
  const monitorBinary = locate(flags.monitor, "--monitor", [join(here, "../../bin/lightv"), join(here, "../build/release/lightv")]);
  const stopping = new AbortController();
  const { promise: ended, resolve: end } = Promise.withResolvers<{ reason: string; code: number }>();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => end({ reason: name, code: 0 }));
  const onUpdate = (reason: string, failed: boolean): void => end({ reason, code: failed ? UPDATE_FAILED : 0 });
  // Here, so that the --version and --check-config that a running agent asks a new one for stay small: all are in one cgroup.
  const { Agent } = await import("./agent.ts");
  const agent = new Agent({
    config,
    clock,
    log,
    native,
    monitorBinary,
    tree: join(here, "../.."),
    args,
    launch: launchOf(process.env),
    signal: stopping.signal,
    onUpdate,
  });
  try {
    await agent.start();
    const quiet = [keepWatchdog(native, process.env.WATCHDOG_USEC), keepSmall(() => native.releaseMemory())];
    native.sdNotify("READY=1");
    log.info("ready", { version: manifest.version, root: config.root });
    const { reason, code } = await ended;
    native.sdNotify("STOPPING=1");
    log.info(`stopping: ${reason}; the workloads go on`);
    for (const cease of quiet) cease();
    return code;
  } finally {
    stopping.abort(new LightvError("LV_UNAVAILABLE", "the agent is stopping"));
    await agent.stop();
  }
}

main(process.argv.slice(2)).then(
  // Timers of libraries must not keep us: everything of ours is stopped.
  (code) => process.exit(code),
  (error: unknown) => {
    const usage = isLightvError(error, "LV_USAGE") || isLightvError(error, "LV_CONFIG");
    process.stderr.write(
      `lightvd: ${isLightvError(error) ? `${error.code}: ${messageOf(error)}` : error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exit(usage ? 2 : isDevices(error) ? MAY_PASS : 1);
  },
);
