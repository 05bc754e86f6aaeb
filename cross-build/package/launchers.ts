/** bin/lightvd and bin/lightv-fleet: shell scripts that start a bundle with the Node beside it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

interface Launch {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** mqtt.js calls url.parse(), about which Node warns on stderr; nobody who reads our log can do anything about it. */
const QUIET = "--disable-warning=DEP0169";

/**
 * The agent's memory is a feature (docs/benchmarks.md). A small young generation, no optimizing compilers, no helper threads of V8;
 * gc is exposed for a rare collection when idle; glibc keeps one arena and gives freed memory back.
 */
const AGENT: Launch = {
  flags: [
    QUIET,
    "--max-semi-space-size=1",
    "--max-old-space-size=64",
    "--optimize-for-size",
    "--lite-mode",
    "--v8-pool-size=0",
    "--expose-gc",
  ],
  env: { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "65536", UV_THREADPOOL_SIZE: "2" },
};
const FLEET: Launch = { flags: [QUIET], env: {} };

const LAUNCHES = { lightvd: AGENT, "lightv-fleet": FLEET } as const;
export type Launcher = keyof typeof LAUNCHES;

/** Writes `name` into the directory `bin`. */
export function placeLauncher(bin: string, name: Launcher): void {
  writeFileSync(join(bin, name), launcherScript(name, LAUNCHES[name]), { mode: 0o755 });
}

function launcherScript(name: string, { flags, env }: Launch): string {
  const exports = Object.entries(env).map(([key, value]) => `export ${key}="\${${key}:-${value}}"\n`);
  return `#!/bin/sh
# Starts ${name} with the Node that it was built for.
here=$(dirname "$(readlink -f "$0")")
${exports.join("")}exec ${['"$here/../lib/lightv/node"', ...flags, `"$here/../lib/lightv/${name}.mjs"`].join(" ")} "$@"
`;
}
