/** What the built agent loads: each of Node's larger modules costs memory as long as it runs. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { until, World } from "#test/lib/world.ts";

const test = suite("agent/modules");
const LIMIT = { timeoutMs: 120_000 };
/** Undici is what fetch() is made of. A link without TLS and an image that is there already need none of them. */
const LARGE = ["internal/deps/undici/undici", "http2", "tls", "https", "zlib", "worker_threads", "stream/web"];
const TELL = `process.on("SIGUSR2", () => require("node:fs").writeFileSync(process.env.MODULES, JSON.stringify(process.moduleLoadList)));`;

/** "NativeModule NAME" each, and bindings. */
function read(file: string): string[] | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as string[];
  } catch {
    return undefined;
  }
}

test(
  "an agent that is connected has loaded none of Node's large modules that it does not use",
  async (t) => {
    const reason = World.unavailable();
    if (reason !== undefined) t.skip(reason);
    const world = new World();
    t.cleanup(() => world.close());
    const preload = join(world.directory, "tell.cjs");
    const modules = join(world.directory, "modules.json");
    writeFileSync(preload, TELL);
    await world.controller.start();
    Object.assign(process.env, { NODE_OPTIONS: `--require=${preload}`, MODULES: modules });
    t.cleanup(() => {
      process.env.NODE_OPTIONS = "";
    });
    await world.startAgent();
    await until("the device to be online", async () => ((await world.view())?.online === true ? true : undefined));
    world.agent?.kill("SIGUSR2");
    const loaded = await until("the list of modules", () => read(modules));
    assert.ok(loaded.includes("NativeModule net"), "the list tells of modules");
    assert.equal(
      LARGE.filter((name) => loaded.includes(`NativeModule ${name}`)),
      [],
    );
  },
  LIMIT,
);
