/**
 * `npm run build`: leaves in dist/ the tree as it would be installed under /usr, and it runs from there.
 *
 *     dist/bin/lightv            static, native
 *     dist/bin/lightvd, lightv-fleet   launchers
 *     dist/lib/lightv/           node, lightv.node, *.mjs bundles
 *     dist/etc/lightv/           default configuration
 */
import { chmodSync, copyFileSync, cpSync, existsSync, linkSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { requiredBuiltins } from "./builtins.ts";
import { buildNative } from "./native.ts";

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(top, "dist");
const lib = join(dist, "lib", "lightv");
const quiet = process.argv.includes("--quiet");

/** Bundle name -> entry. Only those of one group share chunks: what another program uses would cost the agent memory. */
const BUNDLES = [
  { lightvd: "agent/main.ts" },
  { "lightv-fleet": "fleet/main.ts", cli: "agent/cli/main.ts", "fleet-cli": "fleet/cli/main.ts" },
];

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

interface Launch {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

function say(text: string): void {
  if (!quiet) console.log(text);
}

async function bundle(entries: Readonly<Record<string, string>>): Promise<void> {
  await build({
    absWorkingDir: top,
    entryPoints: Object.entries(entries).map(([out, entry]) => ({ in: entry, out })),
    outdir: lib,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    minify: true,
    // Lazily imported parts stay files of their own: what is not used costs no memory.
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    legalComments: "none",
    logLevel: "error",
    // CommonJS packages in an ES module bundle still call require() for Node's own modules.
    banner: { js: 'const require=process.getBuiltinModule("node:module").createRequire(import.meta.url);' },
    plugins: [requiredBuiltins],
    // What mqtt.js brings for browsers: a copy of Node's streams, and timers in a web worker.
    alias: { "readable-stream": "node:stream", "worker-timers": "node:timers" },
  });
}

function placeNode(): void {
  const source = join(top, "node_modules", `node-linux-${process.arch}`, "bin", "node");
  const target = join(lib, "node");
  if (existsSync(target) && statSync(target).size === statSync(source).size) return;
  rmSync(target, { force: true });
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
  }
}

function placeNative(): void {
  const directory = buildNative(top, "release");
  for (const [from, to] of [
    ["lightv", join(dist, "bin", "lightv")],
    ["lightv.node", join(lib, "lightv.node")],
  ] as const) {
    // Replace, never overwrite: a running sandbox's monitor executes the old file.
    copyFileSync(join(directory, from), `${to}.new`);
    chmodSync(`${to}.new`, 0o755);
    rmSync(to, { force: true });
    linkSync(`${to}.new`, to);
    rmSync(`${to}.new`);
  }
}

function placeLauncher(name: string, { flags, env }: Launch): void {
  const file = join(dist, "bin", name);
  const exports = Object.entries(env).map(([key, value]) => `export ${key}="\${${key}:-${value}}"\n`);
  const script = `#!/bin/sh
# Starts ${name} with the Node that it was built for.
here=$(dirname "$(readlink -f "$0")")
${exports.join("")}exec ${['"$here/../lib/lightv/node"', ...flags, `"$here/../lib/lightv/${name}.mjs"`].join(" ")} "$@"
`;
  writeFileSync(file, script, { mode: 0o755 });
}

mkdirSync(join(dist, "bin"), { recursive: true });
mkdirSync(lib, { recursive: true });
say("native");
placeNative();
say("bundles");
rmSync(join(lib, "chunks"), { recursive: true, force: true });
for (const group of BUNDLES) await bundle(group);
placeNode();
placeLauncher("lightvd", AGENT);
placeLauncher("lightv-fleet", FLEET);
for (const part of ["agent", "fleet"]) cpSync(join(top, "configs", part), join(dist, "etc", "lightv"), { recursive: true });
say(`dist/ is ready: ${join(dist, "bin", "lightv")}`);
