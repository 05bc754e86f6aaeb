/** The systemd units as files: systemd itself understands them, and the agent's is as closed as was promised. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("systemd");
const UNITS = join(import.meta.dirname, "../../configs/systemd");
const SERVICES = readdirSync(UNITS).filter((name) => name.endsWith(".service"));

/** Exposure that `systemd-analyze security` may find, in tenths. The two that are open on purpose have no bound. */
const EXPOSURE = { "lightvd.service": 40, "lightv-fleet.service": 20 };

function analyze(t: TestContext, args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const done = spawnSync("systemd-analyze", args, { encoding: "utf8", timeout: 60_000 });
  if (done.error !== undefined) t.skip("systemd-analyze is missing: apt-get install systemd");
  return { status: done.status, text: `${done.stdout}${done.stderr}` };
}

/** A root with the units and the programs that they name, as `verify` looks for those. */
function installed(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "lightv-units-"));
  t.cleanup(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  for (const name of ["lightv", "lightvd", "lightv-fleet"]) {
    writeFileSync(join(root, "usr/bin", name), "#!/bin/sh\n");
    chmodSync(join(root, "usr/bin", name), 0o755);
  }
  for (const from of ["usr/lib/systemd/system", "lib/systemd/system"]) {
    if (existsSync(join("/", from, "basic.target"))) cpSync(join("/", from), join(root, "usr/lib/systemd/system"), { recursive: true });
  }
  cpSync(UNITS, join(root, "usr/lib/systemd/system"), { recursive: true });
  return root;
}

test("systemd finds nothing to complain about in any unit", (t) => {
  const root = installed(t);
  const { status, text } = analyze(t, ["verify", "--man=no", `--root=${root}`, ...readdirSync(UNITS)]);
  const ours = text.split("\n").filter((line) => line.includes("lightv"));
  assert.equal(ours, []);
  assert.is(status, 0, text);
});

for (const [name, threshold] of Object.entries(EXPOSURE)) {
  test(`${name} exposes at most ${threshold / 10}`, (t) => {
    const { status, text } = analyze(t, ["security", "--offline=true", `--threshold=${threshold}`, join(UNITS, name)]);
    assert.is(status, 0, text.trim().split("\n").at(-1));
  });
}

test("a restart loses neither run-time state nor the device: every service keeps RuntimeDirectory, and those that restart do so without end", () => {
  for (const name of SERVICES) {
    const text = readFileSync(join(UNITS, name), "utf8");
    if (text.includes("RuntimeDirectory=lightv\n")) assert.match(text, /^RuntimeDirectoryPreserve=yes$/m, name);
    if (/^Restart=/m.test(text)) assert.match(text, /^StartLimitIntervalSec=0$/m, name);
  }
});

test("nothing that is started for a workload by the spawner is confined by its unit", () => {
  const text = readFileSync(join(UNITS, "lightv-spawn.service"), "utf8");
  const closed = /^(Private|Protect|Restrict|SystemCall|CapabilityBoundingSet|NoNewPrivileges|MemoryDeny|LockPersonality|Device)/m;
  assert.not.match(text, closed);
});

test("a burst of starts can't put the spawner's socket into failed", () => {
  assert.match(readFileSync(join(UNITS, "lightv-spawn.socket"), "utf8"), /^TriggerLimitIntervalSec=0$/m);
});

test("the controller's keys may stay root's: each that the configuration names is passed to it, as the manual says", () => {
  const unit = readFileSync(join(UNITS, "lightv-fleet.service"), "utf8");
  const passed = [...unit.matchAll(/^LoadCredential=(\S+)$/gm)].map(([, name]) => name);
  assert.equal(passed, ["lightv-fleet.api.key", "lightv-fleet.mqtt.key", "lightv-fleet.mqtt.password"]);
  const manual = readFileSync(join(UNITS, "../../docs/operations.md"), "utf8");
  const conf = readFileSync(join(UNITS, "../fleet/lightv-fleet.conf"), "utf8");
  for (const name of passed) {
    assert.ok(manual.includes(`/etc/credstore/${name}`), name);
    assert.ok(conf.includes(`/run/credentials/lightv-fleet.service/${name}`), name);
  }
});

test("the reserve of the slice is the sum of its parts, and nobody of LightV dies before an app does", () => {
  const value = (unit: string, key: string): number =>
    Number(new RegExp(`^${key}=(-?[0-9]+)M?$`, "m").exec(readFileSync(join(UNITS, unit), "utf8"))?.[1]);
  const parts = ["lightvd", "lightv-spawn", "lightv-pool", "lightv-runtime"].map((name) => value(`${name}.service`, "MemoryMin"));
  assert.is(
    parts.reduce((sum, part) => sum + part, 0),
    value("lightv.slice", "MemoryMin"),
  );
  for (const name of ["lightvd", "lightv-spawn", "lightv-pool"]) assert.is(value(`${name}.service`, "OOMScoreAdjust"), -900);
});
