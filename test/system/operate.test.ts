/** A device's ordinary life, as its operator sees it: deploy, update, roll back, logs, exec, reboot, restarts, upgrade, removal. */
import * as assert from "uvu/assert";
import { freePort, until } from "#test/lib/world.ts";
import { Device } from "./lib/device.ts";
import { install, olderPackage, packageFile } from "./lib/packages.ts";
import { LONG, openSite, PLATFORM, page, say, scenarios, webImage } from "./lib/scenario.ts";
import type { Site } from "./lib/site.ts";

const test = scenarios("operate");

let site: Site;
let device: Device;
let url = "";

test.before(async () => {
  site = await openSite();
  const port = await freePort();
  url = `http://127.0.0.1:${port}/`;
  device = await Device.enrolled(site, "operate-1", { forward: { 8080: port } }, say);
  await site.push(webImage("web:1", "one"));
  await site.push(webImage("web:2", "two"));
  await site.push({ ...webImage("web:3", "three"), cmd: ["/no/such/program"] });
  const count = 'i=0; trap "exit 0" TERM; while :; do i=$((i+1)); echo line $i; sleep 1 & wait $!; done';
  await site.push({ name: "counter:1", cmd: ["/bin/sh", "-c", count] });
});
test.after(async () => {
  await device?.close();
  await site?.close();
});

/** An operator says all of an app each time: what is left out is the default. */
const web = (image: string): Promise<void> => device.deploy("web", image, "--port", "8080", "--memory", "32m");

const shows = (text: string, seconds = 30): Promise<unknown> =>
  until(`the page "${text}"`, async () => ((await page(url)) === text ? true : undefined), device.within(seconds));

test(
  "deploy, and update to another version",
  async () => {
    await web("web:1");
    await shows("one");
    await web("web:2");
    await shows("two");
    assert.is(await device.machine.ok("lightv ps -q | wc -l"), "1");
  },
  LONG,
);

test(
  "a version that can't work is rolled back by the device itself, which says why; the operator goes back further",
  async () => {
    // A device goes back only to what has proved itself, for ten seconds.
    const proved = async (): Promise<true | undefined> =>
      (await site.events(device.name)).some(({ type, data }) => type === "app.proved" && data.revision === 2) || undefined;
    await until("the second version to prove itself", proved, device.within(60));
    const deploy = ["deploy", device.name, "web", "--image", "web:3", "--port", "8080", "--wait", "--timeout", "600s"];
    const { code, stderr } = await site.fleet(...deploy);
    assert.is(code, 1, stderr);
    assert.match(stderr, /rolled back to revision \d+/, "the operator is told at once, not when the time is over");
    const report = await site.reported(device.name, "web", ({ phase, reason }) => phase === "running" && reason !== "", device.within(30));
    assert.match(report.reason, /rolled back to revision \d+, because revision \d+ failed: LV_COMMAND_NOT_FOUND/);
    await shows("two");
    assert.is((await site.events(device.name)).filter(({ type }) => type === "app.rolled-back").length, 1);
    await web("web:1");
    await shows("one");
  },
  LONG,
);

test(
  "logs and exec from afar",
  async () => {
    await device.deploy("counter", "counter:1");
    const logs = async (): Promise<true | undefined> =>
      /^line 3$/m.test(await site.ok("logs", device.name, "counter")) ? true : undefined;
    await until("three lines", logs, device.within(30));
    assert.is(await site.ok("exec", device.name, "counter", "/bin/echo", "from", "inside"), "from inside");
    const failed = await site.fleet("exec", device.name, "counter", "/bin/sh", "-c", "exit 3");
    assert.is(failed.code, 3, failed.stderr);
  },
  LONG,
);

/** Runs `disturb` and checks that every app's process is the one it was before. */
async function undisturbed(what: string, disturb: () => Promise<unknown>): Promise<void> {
  const pids = async (): Promise<number[]> => [await device.pid("web"), await device.pid("counter")];
  const before = await pids();
  assert.ok(
    before.every((pid) => pid > 1),
    `the apps run before ${what}: ${before.join(" ")}`,
  );
  await disturb();
  say(`${what}: done, now to see what it did`);
  await device.online();
  assert.equal(await pids(), before, `${what} leaves the apps' processes alone`);
  await shows("one");
  await site.ok("exec", device.name, "counter", "/bin/true");
}

/** Sends a signal to the agent, and waits until the service manager has started another. */
async function replaced(signal: string, seconds: number): Promise<void> {
  const agent = (): Promise<string> => device.machine.ok("systemctl show -P MainPID lightvd.service");
  const before = await agent();
  await device.machine.ok(`systemctl kill --kill-whom=main -s ${signal} lightvd.service`);
  const other = async (): Promise<true | undefined> => (![before, "0"].includes(await agent()) ? true : undefined);
  await until("another agent", other, device.within(seconds));
}

test(
  "restarts of agent and runtime, an agent that is killed or hangs, and other packages touch no app",
  async () => {
    const { machine } = device;
    const systemctl = (words: string) => () => machine.ok(`systemctl ${words}`);
    await undisturbed("a restart of lightvd.service", systemctl("restart lightvd.service"));
    await undisturbed("a restart of lightv-runtime.service", systemctl("restart lightv-runtime.service"));
    await undisturbed("a stop and start of lightv.target and its parts", async () => {
      await machine.ok("systemctl stop lightv.target lightvd.service lightv-runtime.service");
      await device.offline();
      await machine.ok("systemctl start lightv.target");
    });
    await undisturbed("SIGKILL to the agent", () => replaced("KILL", 30));
    // It can't say that it is alive, so the service manager's watchdog ends it.
    await undisturbed("an agent that hangs", () => replaced("STOP", 120));
    await machine.ok("journalctl -b -u lightvd --no-pager | grep -q 'Watchdog timeout'");
    await undisturbed("daemon-reload and daemon-reexec", systemctl("daemon-reload && systemctl daemon-reexec"));
    await undisturbed("installing the package again", () => install(machine, packageFile(PLATFORM)));
    const older = await olderPackage(packageFile(PLATFORM), machine.directory);
    await undisturbed("going back to an older package", () => install(machine, older));
    await undisturbed("upgrading from it", () => install(machine, packageFile(PLATFORM)));
    assert.is(await machine.ok("systemctl is-system-running"), "running");
  },
  LONG,
);

test(
  "an operator's reboot stops the apps in order and brings all back",
  async () => {
    const { machine } = device;
    await site.ok("reboot", device.name);
    await machine.restarted();
    await shows("one", 60);
    await device.online();
    const exits = (await site.events(device.name)).filter(({ type, app }) => type === "app.exited" && app === "counter");
    // It traps SIGTERM and exits with 0: 137 or 143 would mean that it was killed, or its file system taken away under it.
    assert.equal(
      exits.map(({ data }) => [data.exitCode, data.lost ?? false]),
      [[0, false]],
    );
    assert.is(await machine.ok("systemctl is-system-running --wait"), "running");
  },
  LONG,
);

test(
  "undeploy, remove and purge leave no process, mount, cgroup, loop device, user or file",
  async () => {
    const { machine } = device;
    await site.ok("undeploy", device.name, "counter", "--wait", "--timeout", "300s");
    assert.is(await device.pid("counter"), 0);
    assert.is((await device.pid("web")) > 0, true);
    await machine.ok("dpkg --purge lightv 2>&1", { timeoutMs: device.within(120) });
    const left = await machine.ok(`
      ls -d /var/lib/lightv /run/lightv /etc/lightv /usr/lib/lightv 2>/dev/null
      find / -xdev -iname '*lightv*' -not -path '/proc/*' -not -path '/var/log/journal/*' -not -path '/var/lib/systemd/*' 2>/dev/null
      mount | grep -i -e lightv -e erofs
      losetup -a
      find /sys/fs/cgroup -iname '*lightv*' -not -name lightv.slice
      grep -l -i lightv /proc/[0-9]*/cmdline 2>/dev/null
      systemctl list-units --all --no-legend 'lightv*' | grep -v 'lightv.slice'
      systemctl --failed --no-legend
      true`);
    assert.is(left, "");
  },
  LONG,
);
