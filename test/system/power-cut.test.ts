/**
 * Power cuts at random moments of a device's life, one after the other on the same disk. After each boot: the file system is well, the
 * device is connected and runs what is desired, no image is half, no event is lost, doubled or changed.
 *
 *     npm run test:system -- --power-cuts 100 --arch amd64 [--seed N] [--record]
 *     node cross-build/with-node.mjs test/system/power-cut.test.ts --power-cuts 100 --arch amd64 [--seed N] [--outcomes N] [--activities NAME,…]
 *         [--deb FILE] [--wear] [--record]
 */
import { parseArgs } from "node:util";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { packageFile } from "./lib/packages.ts";
import { ACTIVITIES } from "./lib/power-cuts/activities.ts";
import { runCuts } from "./lib/power-cuts/rounds.ts";
import type { Platform } from "./lib/recipe.ts";

const test = suite("system/power-cut");
/** A handful shows that nothing is broken outright; the bar of hundreds is counted over runs by hand. */
const FEW = 6;

const { values } = parseArgs({
  args: [...process.argv.slice(2), ...(process.env.LIGHTV_POWER_CUTS?.split(" ") ?? [])],
  options: {
    "power-cuts": { type: "string", default: String(FEW) },
    arch: { type: "string", default: process.env.LIGHTV_SYSTEM_PLATFORM ?? "amd64" },
    minutes: { type: "string", default: "1440" },
    outcomes: { type: "string", default: "4" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    activities: { type: "string", default: ACTIVITIES.join(",") },
    deb: { type: "string" },
    wear: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
  strict: false,
});
const platform = String(values.arch) as Platform;
const cuts = Number(values["power-cuts"]);
const seed = Number(values.seed);
const activities = String(values.activities)
  .split(",")
  .map((name) => {
    const activity = ACTIVITIES.find((one) => one === name);
    if (activity === undefined) throw new Error(`no such activity: ${name} (there are: ${ACTIVITIES.join(" ")})`);
    return activity;
  });

test(
  `${cuts} power cuts on ${platform}: no device lost, no half state, no acknowledged event lost`,
  async (t) => {
    if (process.getuid?.() !== 0) t.skip("needs root, to make a disk");
    const deb = typeof values.deb === "string" ? values.deb : packageFile(platform);
    console.log(`seed ${seed}`);
    const entry = await runCuts({
      platform,
      deb,
      cuts,
      minutes: Number(values.minutes),
      outcomes: Number(values.outcomes),
      seed,
      activities,
      wear: values.wear === true,
      record: values.record === true,
      signal: t.signal,
    });
    assert.equal(entry.failures, []);
    assert.is(entry.devicesLost, 0);
    assert.ok(entry.cuts > 0, "there was time for one");
  },
  { timeoutMs: 24 * 3600 * 1000 },
);
