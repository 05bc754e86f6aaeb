/** Rules of the tree as a whole: sizes of files, no paths of one machine, a changelog in shape, dependencies with their reasons. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { sources } from "../../cross-build/lint.ts";

const test = suite("style/tree");
const top = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const read = (file: string): string => readFileSync(join(top, file), "utf8");
const code = sources("*.ts", "*.mjs", "*.cpp", "*.hpp");
const lines = (file: string): number => read(file).split("\n").length;

const HARD_CAP = 600;

test("no source file is over the hard cap, and the median is under 150 lines", () => {
  assert.equal(
    code.filter((file) => lines(file) > HARD_CAP).map((file) => `${file}: ${lines(file)}`),
    [],
  );
  const sizes = code.map(lines).sort((a, b) => a - b);
  const median = sizes[Math.floor(sizes.length / 2)] ?? 0;
  assert.ok(median < 150, `the median file has ${median} lines`);
});

test("the top level is the owner's, with documents and dot-files", () => {
  const allowed = new Set([
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "biome.json",
    "agent",
    "native",
    "fleet",
    "configs",
    "cross-build",
    "test",
    "docs",
    "LICENSE",
  ]);
  const entries = new Set(sources("*").map((file) => file.split("/")[0] ?? ""));
  assert.equal(
    [...entries].filter((name) => !allowed.has(name) && !name.startsWith(".") && !name.endsWith(".md")),
    [],
  );
});

test("nothing is left to do by a note in the code", () => {
  const marker = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("|")})\\b`);
  assert.equal(
    code.filter((file) => marker.test(read(file))),
    [],
  );
});

test("every dependency has its reason in docs/dependencies.md, and none is named that is not used", () => {
  const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string> | undefined>;
  const used = [...Object.keys(manifest.dependencies ?? {}), ...Object.keys(manifest.devDependencies ?? {})];
  const documented = [...read("docs/dependencies.md").matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] ?? "");
  assert.equal(
    used.filter((name) => !documented.includes(name)),
    [],
  );
  const setup = read("cross-build/setup.mjs");
  assert.equal(
    documented.filter((name) => !used.includes(name) && !setup.includes(name)),
    [],
  );
});

test("the changelog is in the form of Keep a Changelog", () => {
  const text = read("CHANGELOG.md");
  assert.match(text, /^# Changelog\n/);
  assert.match(text, /^## \[Unreleased\]$/m);
});

test("documents link only to files that exist", () => {
  const broken: string[] = [];
  for (const file of sources("*.md")) {
    for (const [, target = ""] of read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)) {
      if (!existsSync(join(top, dirname(file), target))) broken.push(`${file} -> ${target}`);
    }
  }
  assert.equal(broken, []);
});
