/** Maintainer scripts: what they tell systemd, and above all what they leave alone. Run in a scratch copy of this machine. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { inScratchSystem } from "#test/lib/scratch-system.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("package/scripts");
const top = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

interface World {
  /** Whether lightv.target is enabled. */
  readonly enabled?: boolean;
  /** Whether sandboxes stop when told. */
  readonly stops?: boolean;
  /** Shell, before and after the script. */
  readonly before?: string;
  readonly after?: string;
}

/** Gives the calls of systemctl and lightv, in order, with the script's own words and exit code. */
function runScript(
  name: string,
  script: string,
  args: string,
  world: World = {},
): { calls: string[]; output: string; code: number | null } {
  const { enabled = true, stops = true, before = "", after = "" } = world;
  const source = readFileSync(join(top, "cross-build", "debian", name, script), "utf8");
  const fake = (path: string, answer: string): string =>
    `rm -f ${path}; cat > ${path} <<'FAKE'\n#!/bin/sh\necho "CALL $(basename "$0") $*"\n${answer}\nFAKE\nchmod 755 ${path}\n`;
  const { code, output } = inScratchSystem(`
${fake("/usr/bin/systemctl", `case "$*" in *is-enabled*) exit ${enabled ? 0 : 1};; esac`)}
${fake("/usr/bin/lightv", `exit ${stops ? 0 : 1}`)}
${before}
cat > /script <<'SCRIPT'
${source}
SCRIPT
code=0; sh /script ${args} || code=$?
${after}
exit $code`);
  const lines = output.split("\n").filter((line) => line !== "");
  const calls = lines.flatMap((line) => /^CALL (.*)$/.exec(line)?.[1] ?? []).filter((call) => !call.includes("is-enabled"));
  return { calls, output: lines.filter((line) => !line.startsWith("CALL")).join("\n"), code };
}

test("the first installation enables and starts", () => {
  const { calls, code } = runScript("lightv", "postinst", "configure ''");
  assert.is(code, 0);
  assert.equal(calls, [
    "systemctl --quiet enable lightv.target",
    "systemctl daemon-reload",
    "lightv system apparmor",
    "systemctl try-restart lightvd.service",
    "systemctl start lightv.target",
  ]);
});

test("the spawner and the pool, where there are such, restart with the agent", () => {
  const before = "cd /usr/lib/systemd; mkdir -p system; touch system/lightv-spawn.service system/lightv-pool.service";
  const { calls } = runScript("lightv", "postinst", "configure 0.1.0", { enabled: false, before: `mkdir -p /usr/lib/systemd; ${before}` });
  assert.equal(calls, [
    "systemctl daemon-reload",
    "lightv system apparmor",
    "systemctl try-restart lightv-spawn.service lightv-pool.service lightvd.service",
  ]);
});

test("an upgrade restarts the agent and nothing else, and starts nothing that the administrator has disabled", () => {
  const { calls } = runScript("lightv", "postinst", "configure 0.1.0", { enabled: false });
  assert.equal(calls, ["systemctl daemon-reload", "lightv system apparmor", "systemctl try-restart lightvd.service"]);
  assert.equal(runScript("lightv", "prerm", "upgrade 0.2.0").calls, []);
});

test("a policy that says no, or no systemd, starts nothing", () => {
  const policy = "mkdir -p /usr/sbin; printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d";
  const { calls } = runScript("lightv", "postinst", "configure ''", { before: policy });
  assert.equal(calls, ["systemctl --quiet enable lightv.target", "systemctl daemon-reload"]);
  const without = runScript("lightv", "postinst", "configure ''", { before: "rm -r /run/systemd" });
  assert.equal(without.calls, ["systemctl --quiet enable lightv.target"]);
});

test("removal stops the agent, then the sandboxes, while the programs are there", () => {
  const { calls, code } = runScript("lightv", "prerm", "remove");
  assert.is(code, 0);
  assert.equal(calls, [
    "systemctl stop lightvd.service lightv.target",
    "lightv system stop-all",
    "systemctl stop lightv-runtime.service lightv-spawn.socket lightv-spawn.service",
  ]);
});

test("a sandbox that does not stop keeps the package, and the agent comes back", () => {
  const { code, output } = runScript("lightv", "prerm", "remove", { stops: false });
  assert.is(code, 1);
  assert.match(output, /did not stop, so the package stays/);
  assert.equal(runScript("lightv", "postinst", "abort-remove").calls, ["systemctl start lightv.target"]);
  assert.equal(runScript("lightv", "postinst", "abort-remove", { enabled: false }).calls, []);
});

const DATA =
  "mkdir -p /etc/lightv/update-keys /var/lib/lightv/volumes/v/_data; echo x > /var/lib/lightv/volumes/v/_data/x; echo x > /etc/lightv/token";

test("removal keeps configuration and data; purge deletes them", () => {
  const after = "ls -d /etc/lightv/token /var/lib/lightv/volumes 2>/dev/null || true";
  assert.match(runScript("lightv", "postrm", "remove", { before: DATA, after }).output, /token\n\/var\/lib\/lightv\/volumes$/);
  assert.is(runScript("lightv", "postrm", "purge", { before: DATA, after }).output, "");
});

test("purge spares another file system, what a link leads to, and the controller's configuration and keys", () => {
  const mounted = `${DATA}; mkdir /var/lib/lightv/disk; mount -t tmpfs none /var/lib/lightv/disk; echo kept > /var/lib/lightv/disk/file`;
  const there = runScript("lightv", "postrm", "purge", { before: mounted, after: "cat /var/lib/lightv/disk/file" });
  assert.match(there.output, /is or has a mount point; what lies there stays/);
  assert.match(there.output, /^kept$/m);
  assert.is(there.code, 0);
  const linked = "mkdir -p /data /var/lib; echo kept > /data/file; ln -s /data /var/lib/lightv";
  assert.is(runScript("lightv", "postrm", "purge", { before: linked, after: "cat /data/file; test ! -e /var/lib/lightv" }).output, "kept");
  const fleet = `${DATA}; echo one > /etc/lightv/lightv-fleet.conf; echo two > /etc/lightv/api.key; echo x > /etc/lightv/enroll-token`;
  const left = runScript("lightv", "postrm", "purge", { before: fleet, after: "cat /etc/lightv/api.key; ls /etc/lightv" });
  assert.is(left.output, "two\napi.key\nlightv-fleet.conf\ntoken");
});

test("purge while a workload still runs keeps its data", () => {
  const before = `${DATA}; bash -c 'exec -a lightv-monitor sleep 60' & sleep 0.3`;
  const { output, code } = runScript("lightv", "postrm", "purge", { before, after: "cat /var/lib/lightv/volumes/v/_data/x" });
  assert.match(output, /sandboxes still run, so \/var\/lib\/lightv stays/);
  assert.match(output, /^x$/m);
  assert.is(code, 0);
});

test("the controller's package starts, stops and deletes its own alone", () => {
  assert.equal(runScript("lightv-fleet", "postinst", "configure ''").calls, [
    "systemctl --quiet enable lightv-fleet.service",
    "systemctl daemon-reload",
    "systemctl restart lightv-fleet.service",
  ]);
  assert.equal(runScript("lightv-fleet", "prerm", "remove").calls, ["systemctl stop lightv-fleet.service"]);
  const kept = runScript("lightv-fleet", "postrm", "purge", { before: DATA, after: "ls /etc/lightv/token /var/lib/lightv/volumes" });
  assert.is(kept.code, 0);
});
