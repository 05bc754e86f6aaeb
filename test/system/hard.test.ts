/** Places that are hard to live in: no network, wrong clocks, full disks, read-only roots, split disks, little memory, endless reboots. */
import { mkdtempSync } from "node:fs";
import { rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { run } from "#test/lib/command.ts";
import type { TestContext } from "#test/lib/suite.ts";
import { until } from "#test/lib/world.ts";
import { Device, type DeviceOptions } from "./lib/device.ts";
import { AWAY_MINUTES, LONG, openSite, REBOOTS, say, scenarios } from "./lib/scenario.ts";
import type { Site } from "./lib/site.ts";

const test = scenarios("hard");

let site: Site;
let number = 0;

test.before(async () => {
  site = await openSite();
  await site.push({ name: "idle:1", cmd: ["/bin/sh", "-c", "while :; do sleep 1000; done"] });
});
test.after(() => site?.close());

async function enrolled(t: TestContext, options: DeviceOptions = {}): Promise<Device> {
  const device = await Device.enrolled(site, `hard-${++number}`, options, say);
  t.cleanup(() => device.close());
  say(`${device.name} is up`);
  return device;
}

/** Every event of a device once, in the order of their numbers. */
async function inOrder(name: string): Promise<void> {
  const seqs = (await site.events(name)).map(({ seq }) => seq);
  assert.equal(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    "each once, and in order",
  );
}

/** Waits until an app runs, as the device itself sees it: for when there is no network. */
async function runs(device: Device, app: string, seconds = 60): Promise<number> {
  const ask = async (): Promise<number | undefined> => (await device.pid(app)) || undefined;
  return until(`${app} to run`, ask, device.within(seconds), () => device.machine.consoleText.slice(-1000)).catch(
    async (error: unknown) => {
      throw new Error(`${String(error)}\n${await device.log()}`);
    },
  );
}

test(
  "booted without a network at 1970 and then 2040: apps run; with the network back, what happened arrives once and in order",
  async (t) => {
    const device = await enrolled(t);
    await device.deploy("idle", "idle:1");
    for (const clock of ["1970-01-01T00:00:30", "2040-01-01T00:00:30"]) {
      await device.machine.stop();
      await device.offline();
      const known = (await site.events(device.name)).length;
      await device.machine.start({ link: false, clock });
      const cable = await device.machine.ok("cat /sys/class/net/eth0/carrier 2>&1 || true");
      say(`booted at ${await device.machine.ok("date")} without a network`);
      assert.is.not(cable, "1", "the cable is out");
      const first = await runs(device, "idle");
      // An hour goes by: the clock jumps, as waiting tells nothing more. The monotonic clock, by which the agent waits, does not.
      await device.machine.ok("date -s '+1 hour'");
      await device.machine.ok(`kill -9 ${first}`);
      const second = await until(
        "it to be started again",
        async () => {
          const pid = await device.pid("idle");
          return pid !== 0 && pid !== first ? pid : undefined;
        },
        device.within(60),
      );
      assert.is((await site.events(device.name)).length, known, "nothing has arrived without a network");
      await device.machine.link(true);
      await device.online(device.within(120));
      const arrived = async (): Promise<string[] | undefined> => {
        const types = (await site.events(device.name))
          .slice(known)
          .filter(({ app }) => app === "idle")
          .map(({ type }) => type);
        return types.filter((type) => type === "app.started").length >= 2 ? types : undefined;
      };
      const types = await until("the events of both starts", arrived, device.within(60));
      say(`arrived: ${types.join(" ")}`);
      await inOrder(device.name);
      // The first exit is the one of the shutdown: the agent stops before the apps do, and learns of their ends at the next boot.
      assert.equal(types, ["app.exited", "app.started", "app.exited", "app.started"]);
      assert.is(await device.pid("idle"), second, "the network's coming back disturbs nothing");
    }
  },
  LONG,
);

test(
  `the network is away for ${AWAY_MINUTES} minutes: no connection is left over, and what happened is told once it is back`,
  async (t) => {
    const device = await enrolled(t);
    await device.deploy("idle", "idle:1");
    const { machine } = device;
    const pid = await device.pid("idle");
    const agent = await machine.ok("systemctl show -P MainPID lightvd.service");
    const descriptors = async (): Promise<number> => Number(await machine.ok(`ls /proc/${agent}/fd | wc -l`));
    const before = await descriptors();
    await machine.link(false);
    await device.offline();
    const known = (await site.events(device.name)).length;
    await machine.ok(`kill -9 ${pid}`);
    await until("it to be started again", async () => ![0, pid].includes(await device.pid("idle")) || undefined, device.within(60));
    say(`the cable is out, for ${AWAY_MINUTES} minutes`);
    for (let minute = 1; minute <= AWAY_MINUTES; minute++) {
      await sleep(60_000, undefined, { signal: t.signal });
      if (minute % 10 === 0) say(`${minute} minutes`);
    }
    const after = await descriptors();
    const lines = await machine.ok("journalctl -b -u lightvd | wc -l");
    say(`descriptors: ${before} before, ${after} now; ${lines} lines of log`);
    // Those of the connection are gone, and an attempt may be under way.
    assert.ok(after <= before + 2, `${before} descriptors before, ${after} after`);
    await machine.link(true);
    const back = performance.now();
    await device.online(device.within(120));
    say(`online ${((performance.now() - back) / 1000).toFixed(1)} s after the cable was in again`);
    const arrived = async (): Promise<string[] | undefined> => {
      const types = (await site.events(device.name)).slice(known).map(({ type }) => type);
      return types.includes("app.started") ? types : undefined;
    };
    const types = await until("the event of the new start", arrived, device.within(60));
    // It may have proved itself meanwhile.
    assert.equal(
      types.filter((type) => type.startsWith("app.") && type !== "app.proved"),
      ["app.exited", "app.started"],
    );
    await inOrder(device.name);
    assert.is(await machine.ok("systemctl show -P MainPID lightvd.service"), agent, "the same agent all the time");
  },
  { timeoutMs: LONG.timeoutMs + AWAY_MINUTES * 60_000 },
);

test(
  "a disk that fills up and is freed: what runs goes on, the rest is told, and it recovers by itself",
  async (t) => {
    const device = await enrolled(t);
    await device.deploy("idle", "idle:1");
    const pid = await device.pid("idle");
    await device.machine.ok(
      "fallocate -l $(df --output=avail -B1 / | tail -1) /var/fill 2>/dev/null; dd if=/dev/zero of=/var/fill2 bs=64k 2>/dev/null; true",
    );
    say(await device.machine.ok("df -h / | tail -1"));
    const big = await site.push({
      name: "big:1",
      cmd: ["/bin/sh", "-c", "while :; do sleep 1000; done"],
      files: { "/data": Buffer.alloc(40 << 20, 7) },
    });
    const waiting = site.fleet("deploy", device.name, "big", "--image", big.name, "--wait", "--timeout", `${device.within(240) / 1000}s`);
    const report = await site.reported(device.name, "big", ({ reason }) => /LV_DISK_FULL/.test(reason), device.within(120));
    say(`reported: ${report.phase} ${report.reason}`);
    assert.is(await device.pid("idle"), pid);
    await device.machine.ok("systemctl restart lightvd.service");
    await device.online();
    assert.is(await device.pid("idle"), pid, "the agent starts on a full disk");
    await device.machine.ok("rm /var/fill /var/fill2");
    const { code, stderr } = await waiting;
    assert.is(code, 0, stderr);
    assert.is(await device.pid("idle"), pid);
  },
  LONG,
);

test(
  "/var on a disk of its own",
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "lightv-var-"));
    t.cleanup(() => rm(directory, { recursive: true }));
    const secondDisk = join(directory, "var.ext4");
    await writeFile(secondDisk, "");
    await truncate(secondDisk, 512 << 20);
    assert.is((await run("/sbin/mkfs.ext4", ["-q", "-F", "-L", "var", secondDisk])).code, 0);
    const device = await enrolled(t, { secondDisk });
    const { machine } = device;
    await machine.ok(`
      systemctl stop lightvd.service
      mount /dev/vdb /mnt && cp -a /var/. /mnt/ && umount /mnt
      echo '/dev/vdb /var ext4 defaults 0 2' >>/etc/fstab`);
    await machine.reboot();
    // The channel answers before all file systems are mounted.
    await machine.ok("systemctl is-system-running --wait");
    assert.is(await machine.ok("findmnt -no SOURCE /var"), "/dev/vdb");
    await device.online();
    await device.deploy("idle", "idle:1");
    await machine.reboot();
    await runs(device, "idle");
    await device.online();
    assert.is(await machine.ok("systemctl is-system-running --wait"), "running");
    await machine.stop();
    assert.not.match(
      machine.consoleText.split("\n").slice(-60).join("\n"),
      /Failed unmounting|failed to unmount/i,
      "/var is unmounted in order",
    );
  },
  LONG,
);

test(
  "a root that is read-only, with an overlay of tmpfs on /var: apps come back from the controller after each boot",
  async (t) => {
    const device = await enrolled(t);
    const { machine } = device;
    // Enrolled before the overlay: the credentials lie below it. The journal and all that is written later is gone at each boot.
    await machine.ok(`
      cat >>/etc/fstab <<'END'
tmpfs /overlay tmpfs size=160m,mode=0755 0 0
overlay /var overlay lowerdir=/var,upperdir=/overlay/upper,workdir=/overlay/work,x-systemd.requires=overlay-directories.service 0 0
END
      mkdir -p /overlay
      cat >/etc/systemd/system/overlay-directories.service <<'END'
[Unit]
DefaultDependencies=no
RequiresMountsFor=/overlay
Before=var.mount
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mkdir -p /overlay/upper /overlay/work
END
      sed -i 's/errors=remount-ro/ro,errors=remount-ro/' /etc/fstab`);
    await machine.stop();
    await machine.start({ kernelArgs: ["ro"] });
    assert.match(await machine.ok("findmnt -no FSTYPE /var; findmnt -no OPTIONS /"), /^overlay\nro,/);
    await device.online();
    await device.deploy("idle", "idle:1");
    assert.ok((await device.pid("idle")) > 0);
    // The kernel takes no writable layer on an overlay; whoever deploys is told where the app's files go.
    const { warnings = [] } = await site.reported(device.name, "idle", ({ phase }) => phase === "running", device.within(30));
    assert.ok(
      warnings.some((text) => text.startsWith("the writable layer is in memory")),
      warnings.join("\n"),
    );
    await machine.stop();
    await machine.start({ kernelArgs: ["ro"] });
    await device.online();
    await site.reported(device.name, "idle", ({ phase }) => phase === "running", device.within(120));
    await runs(device, "idle");
  },
  LONG,
);

test(
  "256 MB of memory and three apps, through a reboot, and nothing is killed for want of memory",
  async (t) => {
    const device = await enrolled(t, { memory: 256 });
    for (const app of ["a", "b", "c"]) await device.deploy(app, "idle:1", "--memory", "16m");
    await device.machine.reboot();
    for (const app of ["a", "b", "c"]) await runs(device, app, 90);
    await device.online();
    say(await device.machine.ok("grep -E 'MemTotal|MemAvailable' /proc/meminfo"));
    assert.is(await device.machine.ok("journalctl --no-pager -k -o cat | grep -c -i 'out of memory' || true"), "0");
    assert.is(await device.machine.ok("systemctl is-system-running --wait"), "running");
  },
  LONG,
);

test(
  `${REBOOTS} reboots in a row: every time the app runs and the device reports`,
  async (t) => {
    const device = await enrolled(t);
    await device.deploy("idle", "idle:1");
    for (let i = 1; i <= REBOOTS; i++) {
      await device.machine.reboot();
      await runs(device, "idle");
      await device.online();
      say(`reboot ${i} of ${REBOOTS}`);
    }
    const used = await device.machine.ok("ls /var/lib/lightv/sandboxes | wc -l; ls /var/lib/lightv/partial | wc -l; losetup -a | wc -l");
    assert.is(used, "1\n0\n1");
    await inOrder(device.name);
    assert.is(await device.machine.ok("systemctl is-system-running --wait"), "running");
  },
  // Minutes each, when the processor is emulated and the host is busy.
  { timeoutMs: Math.max(LONG.timeoutMs, REBOOTS * 240_000) },
);
