/**
 * Test files of the development machine, made ready for a device, which has neither sources nor a compiler: one file each, and the
 * attacker as a program. Laid out as the checkout is, so that they find `dist/` where they look for it.
 */
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { buildAttacker } from "#test/lib/attacker.ts";
import { TOP } from "#test/lib/command.ts";
import type { Platform } from "./recipe.ts";

const COMPILER: Readonly<Record<Platform, string>> = { amd64: "x86_64-linux-gnu-g++", arm64: "aarch64-linux-gnu-g++" };

export interface Carried {
  /** What to push into the device. */
  readonly directory: string;
  /** Of a test file, below that directory. */
  readonly bundleOf: (file: string) => string;
  /** The attacker, below that directory. */
  readonly attacker: string;
}

/** Makes `directory`. `files`: below test/, without ".test.ts". Throws when two have one name. */
export async function carry(platform: Platform, files: readonly string[], directory: string): Promise<Carried> {
  const names = files.map((file) => basename(file));
  if (new Set(names).size < names.length) throw new Error(`two test files of one name: ${names.join(" ")}`);
  // As deep as test/lib is: what a test knows of its own place stays true.
  const place = "test/carried";
  mkdirSync(join(directory, place), { recursive: true });
  await build({
    absWorkingDir: TOP,
    entryPoints: files.map((file) => ({ in: `test/${file}.test.ts`, out: basename(file) })),
    outdir: join(directory, place),
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    logLevel: "error",
    banner: { js: 'const require=process.getBuiltinModule("node:module").createRequire(import.meta.url);' },
  });
  const attacker = join(place, "attacker");
  buildAttacker(join(directory, attacker), COMPILER[platform]);
  return { directory, bundleOf: (file) => join(place, `${basename(file)}.mjs`), attacker };
}
