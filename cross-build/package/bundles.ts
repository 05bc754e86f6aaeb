/** The JavaScript of an installation: one file a program, and chunks for what is loaded when it is needed. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";
import { requiredBuiltins } from "./builtins.ts";

/** Bundle name -> entry. */
export const BUNDLES = {
  lightvd: "agent/main.ts",
  "lightv-fleet": "fleet/main.ts",
  cli: "agent/cli/main.ts",
  "fleet-cli": "fleet/cli/main.ts",
} as const;
export type Bundle = keyof typeof BUNDLES;

/** What a device has: `lightv fleet` is small and shares most of its chunks; the controller is another package. */
export const DEVICE_BUNDLES: readonly Bundle[] = ["lightvd", "cli", "fleet-cli"];
export const FLEET_BUNDLES: readonly Bundle[] = ["lightv-fleet"];

export interface BundleOptions {
  readonly top: string;
  readonly names: readonly Bundle[];
  readonly outdir: string;
  /** Where chunks go, below `outdir`; two packages that share a directory need different ones. */
  readonly chunks?: string;
  /** What the programs say their version is, when it is not package.json's. */
  readonly version?: string;
}

/** Only programs of one group share chunks: what another one uses would cost the agent memory. */
const ALONE: readonly Bundle[] = ["lightvd"];

/** Writes the bundles; gives esbuild's account of what is in them. Throws with what is wrong in the source. */
export async function bundle(options: BundleOptions): Promise<Metafile> {
  const { names } = options;
  const groups = [names.filter((name) => ALONE.includes(name)), names.filter((name) => !ALONE.includes(name))];
  const whole: Metafile = { inputs: {}, outputs: {} };
  for (const group of groups.filter(({ length }) => length > 0)) {
    const { inputs, outputs } = await bundleGroup({ ...options, names: group });
    Object.assign(whole.inputs, inputs);
    Object.assign(whole.outputs, outputs);
  }
  return whole;
}

async function bundleGroup({ top, names, outdir, chunks = "chunks", version }: BundleOptions): Promise<Metafile> {
  const result = await build({
    absWorkingDir: top,
    entryPoints: names.map((out) => ({ in: BUNDLES[out], out })),
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    minify: true,
    // Lazily imported parts stay files of their own: what is not used costs no memory.
    splitting: true,
    chunkNames: `${chunks}/[name]-[hash]`,
    legalComments: "none",
    logLevel: "error",
    metafile: true,
    plugins: [requiredBuiltins, ...(version === undefined ? [] : [asVersion(top, version)])],
    // CommonJS packages in an ES module bundle still call require() for Node's own modules.
    banner: { js: 'const require=process.getBuiltinModule("node:module").createRequire(import.meta.url);' },
    // What mqtt.js brings for browsers: a copy of Node's streams, and timers in a web worker.
    alias: { "readable-stream": "node:stream", "worker-timers": "node:timers" },
  });
  return result.metafile;
}

/** package.json as if it had another version. */
function asVersion(top: string, version: string): Plugin {
  const file = join(top, "package.json");
  return {
    name: "version",
    setup: ({ onLoad }) =>
      onLoad({ filter: /package\.json$/ }, async ({ path }) => {
        if (path !== file) return undefined;
        return { contents: JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), version }), loader: "json" };
      }),
  };
}
