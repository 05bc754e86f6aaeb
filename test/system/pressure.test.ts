/**
 * A device that really runs short of memory, by what is none of LightV's: the agent slows the lowest class down, then stops it, and that is
 * enough; the critical class answers all the time, the reserve holds, and what was stopped comes back.
 */
import * as assert from "uvu/assert";
import { freePort, until } from "#test/lib/world.ts";
import { Device } from "./lib/device.ts";
import { LONG, openSite, page, say, scenarios, table, webImage } from "./lib/scenario.ts";
import type { Site } from "./lib/site.ts";

const test = scenarios("pressure");
const POLL_MS = 500;
/** Held by the app of the lowest class: more than the shortage, so that its end is the end of it. */
const LOW_MIB = 48;
const SLICE = "/sys/fs/cgroup/lightv.slice";

let site: Site;
let device: Device;
let url = "";

test.before(async () => {
  site = await openSite();
  const port = await freePort();
  url = `http://127.0.0.1:${port}/`;
  device = await Device.enrolled(site, "pressure-1", { memory: 320, forward: { 8080: port }, agent: ["heartbeat = 5"] }, say);
  await site.push(webImage("web:1", "one"));
  await site.push({ name: "idle:1", cmd: ["/bin/sh", "-c", "while :; do sleep 1000; done"] });
  const hold = `dd if=/dev/zero of=/hold/it bs=1M count=${LOW_MIB} 2>/dev/null; while :; do sleep 1000; done`;
  await site.push({ name: "low:1", cmd: ["/bin/sh", "-c", hold] });
  await device.deploy("vital", "web:1", "--port", "8080", "--memory", "24m", "--priority", "critical");
  await device.deploy("usual", "idle:1", "--memory", "16m");
  await device.deploy("spare", "low:1", "--memory", "64m", "--tmpfs", `/hold:size=${LOW_MIB + 4}m`, "--priority", "low");
});
test.after(async () => {
  await device?.close();
  await site?.close();
});

/** Asks the critical app until it is told to end; how long each answer took, -1 for one that did not come. */
function watch(): () => Promise<readonly number[]> {
  const took: number[] = [];
  let over = false;
  const asking = (async () => {
    while (!over) {
      const start = performance.now();
      took.push((await page(url)) === "one" ? performance.now() - start : -1);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  })();
  return async () => {
    over = true;
    await asking;
    return took;
  };
}

/** Available, less the page cache that LightV's units have protected (agent/supervisor/protected-cache.ts), in KiB. */
const AVAILABLE = `$(( $(awk '/^MemAvailable/{print $2}' /proc/meminfo) - $(for u in ${SLICE}/*.service; do
    awk -v min=$(cat $u/memory.min) -v now=$(cat $u/memory.current) '/^file /{f = $2 - (now > min ? now - min : 0); print (min > 0 && f > 0 ? int(f / 1024) : 0)}' $u/memory.stat
  done | awk '{s += $1} END{print s}') ))`;
/** Less than what the agent calls a shortage (agent/supervisor/pressure.ts), and enough for a kernel to get on. */
const SHORT_KIB = 14 * 1024;

/**
 * In a tmpfs, which the kernel can't take back, and which belongs to no app: until it has been short for five seconds. Once: a hog that took
 * what each step of the agent gives back would leave nothing to be seen but the kernel's last resort.
 */
const FILL = `mkdir -p /mnt/hog && mount -t tmpfs -o size=100% hog /mnt/hog; i=0; short=0
  while [ $short -lt 5 ]; do
    if [ ${AVAILABLE} -lt ${SHORT_KIB} ]; then short=$((short+1)); sleep 1; continue; fi
    i=$((i+1)); short=0; dd if=/dev/zero of=/mnt/hog/$i bs=512k count=1 2>/dev/null || break
  done; echo "$i halves of a MiB, ${AVAILABLE} KiB available"; grep -e MemTotal -e MemAvailable /proc/meminfo`;

const phaseOf = async (app: string): Promise<string> => (await site.reported(device.name, app, () => true, device.within(30))).phase;

test(
  "agent, spawner, keeper and monitors have memory that is never taken from them, each group on the way up to the slice too",
  async () => {
    const min = async (group: string): Promise<number> => Number(await device.machine.ok(`cat ${SLICE}${group}/memory.min`)) / 2 ** 20;
    const rows: [string, number][] = [];
    const wanted: number[] = [];
    for (const [group, mib] of [
      ["", 40],
      ["/lightvd.service", 24],
      ["/lightv-spawn.service", 4],
      ["/lightv-runtime.service", 8],
      ["/lightv-runtime.service/sandboxes", 8],
      ["/lightv-runtime.service/sandboxes/monitors", 8],
    ] as const) {
      rows.push([`lightv.slice${group}, wanted ${mib}`, await min(group)]);
      wanted.push(mib);
    }
    table("memory.min, MiB", rows);
    assert.equal(
      rows.map(([, mib]) => mib),
      wanted,
    );
    const monitors = `${SLICE}/lightv-runtime.service/sandboxes/monitors/cgroup.procs`;
    const units = ["lightvd", "lightv-spawn", "lightv-pool"].map((name) => `$(systemctl show -P MainPID ${name}.service)`);
    const scores = await device.machine.ok(
      `for p in ${units.join(" ")} $(cat ${monitors}); do [ $p = 0 ] || cat /proc/$p/oom_score_adj; done | sort -u`,
    );
    assert.is(scores, "-900");
  },
  LONG,
);

test(
  "short of memory: slowed down first, then stopped, the lowest class alone, while the critical one goes on answering",
  async () => {
    const pids = [await device.pid("vital"), await device.pid("usual")];
    const agent = await device.machine.ok("systemctl show -P MainPID lightvd.service");
    const known = (await site.events(device.name)).length;
    const end = watch();
    say(`filled: ${(await device.machine.ok(FILL, LONG)).replaceAll("\n", ", ")}`);
    say(`pressure: ${(await device.machine.run("cat /proc/pressure/memory")).stdout.replaceAll("\n", ", ")}`);
    const parked = async (): Promise<true | undefined> => ((await phaseOf("spare")) === "parked" ? true : undefined);
    await until("the lowest class to be parked", parked, device.within(120));
    const took = await end();
    say(`parked; available: ${await device.machine.ok("grep MemAvailable /proc/meminfo")}`);
    const events = (await site.events(device.name)).slice(known);
    const steps = events.filter(({ type }) => type === "device.memory").map(({ data }) => data.step);
    assert.equal(steps.slice(0, 2), [1, 2]);
    const order = events.map(({ type, app }) => `${type} ${app ?? ""}`.trim()).filter((line) => /throttled|stopping/.test(line));
    assert.equal(order.slice(0, 2), ["app.throttled spare", "app.stopping spare"], order.join(", "));
    assert.equal(order.slice(2), [], "no other class gives way");
    assert.equal([await phaseOf("vital"), await phaseOf("usual")], ["running", "running"]);
    assert.equal([await device.pid("vital"), await device.pid("usual")], pids, "the same processes");
    assert.is(await device.machine.ok("systemctl show -P MainPID lightvd.service"), agent, "and the same agent");
    assert.equal(
      took.filter((ms) => ms < 0),
      [],
      `of ${took.length} questions`,
    );
    table("the critical app's answers meanwhile, ms", [
      ["questions", took.length],
      ["slowest", Math.max(...took).toFixed(0)],
    ]);
    assert.is(await device.machine.ok("dmesg | grep -ci 'out of memory' || true"), "0");
  },
  LONG,
);

test(
  "when there is memory again, what was stopped comes back by itself",
  async () => {
    await device.machine.ok("umount /mnt/hog");
    const back = async (): Promise<true | undefined> => ((await phaseOf("spare")) === "running" ? true : undefined);
    await until("the lowest class to run again", back, device.within(300));
    const calm = async (): Promise<true | undefined> =>
      (await site.events(device.name)).some(({ type, data }) => type === "device.memory" && data.step === 0) || undefined;
    await until("the last step to be taken back", calm, device.within(300));
  },
  LONG,
);
