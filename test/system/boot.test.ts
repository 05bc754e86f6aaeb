/** From a bare device to apps that serve: install, enrol, deploy, boot, and what LightV costs in time and memory. */
import * as assert from "uvu/assert";
import { freePort, until } from "#test/lib/world.ts";
import { Device } from "./lib/device.ts";
import { lightvMemory, mib, type ProcessMemory, total } from "./lib/memory.ts";
import { LONG, openSite, PLATFORM, page, say, scenarios, table, webImage } from "./lib/scenario.ts";
import type { Site } from "./lib/site.ts";

const test = scenarios("boot");
/** The bar for all of LightV, idle with three apps, in MiB of private memory. */
const PRIVATE_BAR_BYTES = 24_000_000;
const SETTLE_MS = 30_000;
const SAMPLES = 7;
const SAMPLE_MS = 4_000;

let site: Site;
let device: Device;
let url = "";

test.before(async () => {
  site = await openSite();
  const port = await freePort();
  url = `http://127.0.0.1:${port}/`;
  device = await Device.enrolled(site, "boot-1", { memory: 512, forward: { 8080: port }, agent: ["heartbeat = 30"] }, say);
});
test.after(async () => {
  await device?.close();
  await site?.close();
});

test(
  "an installed and enrolled device has no failed unit, and every file of the package is as it was packed",
  async () => {
    const { machine } = device;
    assert.is(await machine.ok("systemctl is-system-running --wait || { systemctl --failed; false; }"), "running");
    assert.is(await machine.ok("systemctl is-active lightvd.service lightv-runtime.service"), "active\nactive");
    const changed = (await machine.ok("dpkg --verify lightv || true", LONG)).split("\n").filter((line) => line !== "");
    assert.equal(
      // The devices' own dpkg leaves documents out (lib/recipe.ts).
      changed.filter((line) => !/ \/etc\/lightv\/lightvd\.conf$| \/usr\/share\/(doc|man|lintian)\//.test(line)),
      [],
    );
    const kernel = await machine.ok("uname -r; stat -fc %T /sys/fs/cgroup");
    assert.match(kernel, /^6\.1\..*\ncgroup2fs$/);
    say(`${device.machine.acceleration}, kernel ${kernel.split("\n")[0]}`);
  },
  LONG,
);

test(
  "an app that is deployed answers HTTP",
  async () => {
    await site.push(webImage("web:1", "one"));
    await device.deploy("web", "web:1", "--port", "8080", "--memory", "32m");
    assert.is(await until("the page", () => page(url), device.within(20)), "one");
  },
  LONG,
);

test(
  "after a boot the app answers HTTP by itself; the agent's share of the time",
  async () => {
    const { machine } = device;
    await machine.stop();
    const on = performance.now();
    await machine.start({ wait: false });
    await until("the page", () => page(url), device.within(180));
    const answered = (performance.now() - on) / 1000;
    await machine.booted();
    await machine.ok("systemctl is-system-running --wait");
    const monotonic = async (property: string): Promise<number> =>
      Number(await machine.ok(`systemctl show -P ${property} lightvd.service`)) / 1e6;
    const exec = await monotonic("ExecMainStartTimestampMonotonic");
    const ready = await monotonic("ActiveEnterTimestampMonotonic");
    const app = Number(await machine.ok(`awk '{ print $22 }' /proc/${await device.pid("web")}/stat`)) / 100;
    table(`boot to the first app's answer, seconds (${machine.acceleration}, ${PLATFORM}, 512 MiB)`, [
      ["switched on to HTTP answer, seen from outside", answered.toFixed(1)],
      ["kernel start to the agent's exec", exec.toFixed(1)],
      ["kernel start to the app's exec", app.toFixed(1)],
      ["agent's exec to ready (systemd)", (ready - exec).toFixed(1)],
      ["agent's exec to the app's exec: the agent's share", (app - exec).toFixed(1)],
    ]);
    process.stderr.write(`${await machine.ok("systemd-analyze; systemd-analyze blame --no-pager | head -8")}\n`);
    assert.ok(app >= exec, "the app was started by this boot's agent");
    await device.online();
  },
  LONG,
);

test(
  "private and proportional memory of all that is LightV's, idle with three apps",
  async () => {
    const { machine } = device;
    for (const [name, port] of [
      ["two", 8081],
      ["three", 8082],
    ] as const) {
      await site.push(webImage(`${name}:1`, name, port));
      await device.deploy(name, `${name}:1`, "--port", String(port), "--memory", "32m");
    }
    const samples: ProcessMemory[][] = [];
    while (samples.length < SAMPLES) {
      await new Promise((resolve) => setTimeout(resolve, samples.length === 0 ? SETTLE_MS : SAMPLE_MS));
      samples.push(await lightvMemory(machine));
    }
    const ofPrivate = (one: ProcessMemory): number => one.dirty + one.clean;
    // A heartbeat or a ping maps pages of the program for some seconds: the median is what an idle device has.
    samples.sort((a, b) => total(a, ofPrivate) - total(b, ofPrivate));
    const processes = samples[Math.floor(SAMPLES / 2)] ?? [];
    const row = (name: string, of: readonly ProcessMemory[]): [string, string, string, string] => [
      name,
      mib(total(of, ofPrivate)),
      mib(total(of, (one) => one.dirty)),
      mib(total(of, (one) => one.pss)),
    ];
    table(`memory of LightV with three apps, MiB (${PLATFORM}, 512 MiB)`, [
      ["process", "private", "of it dirty", "PSS"],
      ...processes.map((one) => row(one.name.slice(0, 40), [one])),
      row("in all", processes),
    ]);
    say(`private in all, each sample: ${samples.map((one) => mib(total(one, ofPrivate))).join(" ")} MiB`);
    assert.is(processes.filter(({ name }) => name.startsWith("lightv-monitor")).length, 3);
    assert.is(processes.filter(({ name }) => name.startsWith("lightv-init")).length, 3);
    const bytes = 1024 * total(processes, ofPrivate);
    assert.ok(bytes <= PRIVATE_BAR_BYTES, `${bytes} bytes of private memory are more than ${PRIVATE_BAR_BYTES}`);
  },
  LONG,
);
