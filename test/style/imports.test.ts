/** The direction of dependencies: this table is the documentation (docs/architecture.md shows it) and the check. */
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { sources } from "../../cross-build/lint.ts";

const test = suite("style/imports");
const top = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** Folder -> folders that its files may import, besides itself. The files that put the parts together may import all of their own side. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "agent/wire": [],
  "agent/lib": ["agent/wire"],
  "agent/config": ["agent/lib", "agent/wire"],
  "agent/image": ["agent/lib", "agent/wire"],
  "agent/store": ["agent/image", "agent/lib", "agent/wire"],
  "agent/sandbox": ["agent/lib", "agent/wire"],
  "agent/supervisor": ["agent/sandbox", "agent/store", "agent/lib", "agent/wire"],
  "agent/desired": ["agent/lib", "agent/wire"],
  "agent/reporter": ["agent/supervisor", "agent/sandbox", "agent/lib", "agent/wire"],
  "agent/link": ["agent/lib", "agent/wire"],
  "agent/update": ["agent/sandbox", "agent/lib", "agent/wire"],
  "agent/api": ["agent/lib", "agent/wire"],
  "agent/cli": ["agent/image", "agent/store", "agent/lib", "agent/wire"],
  "fleet/config": ["agent/lib", "agent/wire"],
  "fleet/store": ["agent/lib", "agent/wire"],
  "fleet/registry": ["fleet/store", "agent/lib", "agent/wire"],
  "fleet/broker": ["fleet/store", "agent/lib", "agent/wire"],
  "fleet/dispatch": ["fleet/store", "fleet/broker", "agent/lib", "agent/wire"],
  "fleet/ingest": ["fleet/store", "fleet/broker", "fleet/dispatch", "agent/lib", "agent/wire"],
  "fleet/api": ["fleet/store", "fleet/registry", "fleet/broker", "fleet/dispatch", "fleet/ingest", "agent/lib", "agent/wire"],
  "fleet/cli": ["fleet/registry", "agent/lib", "agent/wire"],
};

/** The only folders that may use a package that others must not see. */
const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  mqtt: ["agent/link", "fleet/broker"],
  aedes: ["fleet/broker"],
  kysely: ["fleet/store"],
  "node:sqlite": ["fleet/store", "agent/reporter", "agent/lib"],
  fastify: ["fleet/api"],
  // For the bench alone: see docs/memory.md, "The agent in a small memory cgroup".
  systeminformation: [],
};

interface Import {
  readonly file: string;
  readonly folder: string;
  readonly target: string;
}

function folderOf(file: string): string {
  return file.split("/").slice(0, 2).join("/");
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(top, file), "utf8");
  const found = text.matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm);
  return [...found].map((match) => {
    const name = match[1] ?? match[2] ?? "";
    const target = name.startsWith(".") ? relative(top, resolve(top, dirname(file), name)) : name.replace(/^#/, "");
    return { file, folder: folderOf(file), target };
  });
}

const files = sources("agent/*.ts", "fleet/*.ts");
const imports = files.flatMap(importsOf);

test("every folder is in the table", () => {
  const folders = new Set(files.filter((file) => file.split("/").length > 2).map(folderOf));
  assert.equal(
    [...folders].filter((folder) => !(folder in MAY_IMPORT)),
    [],
  );
});

test("imports go the way that the table allows", () => {
  const wrong = imports.filter(({ file, folder, target }) => {
    if (!/^(agent|fleet|test)\//.test(target)) return false;
    if (/^(agent\/agent|(agent|fleet)\/main)\.ts$/.test(file))
      return target.startsWith("test/") || (file.startsWith("agent/") && target.startsWith("fleet/"));
    const to = folderOf(target);
    return to !== folder && !(MAY_IMPORT[folder] ?? []).includes(to);
  });
  assert.equal(
    wrong.map(({ file, target }) => `${file} -> ${target}`),
    [],
  );
});

test("packages stay in the folder that owns them", () => {
  const wrong = imports.filter(({ folder, target }) => {
    const owner = Object.entries(ONLY_IN).find(([name]) => target === name || target.startsWith(`${name}/`));
    return owner !== undefined && !owner[1].includes(folder);
  });
  assert.equal(
    wrong.map(({ file, target }) => `${file} -> ${target}`),
    [],
  );
});

test("only main files and command lines read the environment or exit", () => {
  const wrong = files.filter((file) => {
    if (/(^|\/)main\.ts$/.test(file) || /^(agent|fleet)\/cli\//.test(file)) return false;
    return /\bprocess\.(env|exit)\b/.test(readFileSync(join(top, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ""));
  });
  assert.equal(wrong, []);
});

test("plan files are pure: no clock, file, network, random or log", () => {
  const impure = imports.filter(({ file, target }) => /\/plan\.ts$/.test(file) && target.startsWith("node:"));
  assert.equal(
    impure.map(({ file, target }) => `${file} -> ${target}`),
    [],
  );
  const clocks = files.filter(
    (file) => /\/plan\.ts$/.test(file) && /Date\.now|Math\.random|new Date\(\)/.test(readFileSync(join(top, file), "utf8")),
  );
  assert.equal(clocks, []);
});

/** Native layers, by #include "layer/…". */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  sys: [],
  rootless: ["sys"],
  core: ["sys", "rootless", "init"],
  init: ["sys"],
  image: ["sys", "rootless"],
  monitor: ["sys", "rootless", "core", "init", "image"],
  engine: ["sys", "rootless", "core", "init", "image", "monitor"],
  pool: ["sys", "core", "image", "monitor", "engine"],
  slots: ["sys"],
  entry: ["sys"],
  cli: ["sys", "rootless", "core", "image", "monitor", "engine", "pool", "slots", "entry"],
  addon: ["sys", "core", "image", "engine"],
};

test("native layers include downwards only, and only the addon sees napi.h", () => {
  const wrong: string[] = [];
  for (const file of sources("native/*.cpp", "native/*.hpp")) {
    const layer = file.split("/")[1] ?? "";
    for (const [, header = ""] of readFileSync(join(top, file), "utf8").matchAll(/^#include\s+["<]([^">]+)[">]/gm)) {
      const to = header.split("/")[0] ?? "";
      if (/^(napi|node_api)\.h$/.test(header) && layer !== "addon") wrong.push(`${file} -> ${header}`);
      if (to in LAYERS && to !== layer && header.endsWith(".hpp") && !(LAYERS[layer] ?? []).includes(to))
        wrong.push(`${file} -> ${header}`);
    }
  }
  assert.equal(wrong, []);
});
