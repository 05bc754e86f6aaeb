/**
 * Apps that can't work, on a real device with a real controller: the reason is told in the app's report, in an event and by `lightv fleet deploy --wait`;
 * nothing is tried for ever; another app keeps its process, and the version before goes on.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { App } from "#agent/wire/protocol/app.ts";
import { AppWatch } from "#test/lib/app-watch.ts";
import { serveImage } from "#test/lib/image-server.ts";
import { busyboxImage, busyboxImageFile } from "#test/lib/images.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { World } from "#test/lib/world.ts";

const test = suite("fault/app");
const LIMIT = { timeoutMs: 180_000 };
const FOREVER = ["/bin/sleep", "100000"];

interface Scene {
  readonly world: World;
  readonly watch: AppWatch;
  readonly image: App["image"];
  /** Runs from before; its process must be the same at the end. */
  readonly neighbour: App;
  readonly pid: number;
}

async function begin(t: TestContext): Promise<Scene> {
  const reason = World.unavailable();
  if (reason !== undefined) t.skip(reason);
  const world = new World();
  t.cleanup(() => world.close());
  await world.start();
  const { digest, size } = await busyboxImage(world.box.root, { name: "base", files: { "/data": "text" } });
  await world.fleetOk("push", "base");
  const image = { name: "base:latest", digest, size };
  const neighbour: App = { name: "neighbour", image, command: FOREVER, network: "host", ports: [{ port: 18_080 }] };
  await world.desire([neighbour]);
  const watch = new AppWatch(world);
  const { pid } = await watch.reported("neighbour", ({ phase }) => phase === "running");
  return { world, watch, image, neighbour, pid: pid ?? 0 };
}

async function undisturbed({ world, pid }: Scene): Promise<void> {
  const report = await world.appReport("neighbour");
  assert.equal([report?.phase, report?.pid, report?.restarts], ["running", pid, 0]);
}

/** An older version that has proved good, then the new one that can't. */
async function proven(scene: Scene, name: string): Promise<App> {
  const app: App = { name, image: scene.image, command: FOREVER, health: { probe: { exec: ["/bin/true"] }, intervalMs: 200 } };
  await scene.world.desire([scene.neighbour, app]);
  await scene.watch.told("app.proved", name);
  return app;
}

test(
  "a command that does not exist, or is not executable: failed once, with its code; the version before goes on",
  async (t) => {
    const scene = await begin(t);
    const { world, watch, image, neighbour } = scene;
    const cases = [
      { name: "missing", command: ["/no/such", "x"], code: "LV_COMMAND_NOT_FOUND" },
      { name: "text", command: ["/data"], code: "LV_COMMAND_NOT_EXECUTABLE" },
    ] as const;
    const apps = cases.map(({ name, command }): App => ({ name, image, command: [...command] }));
    await world.desire([neighbour, ...apps]);
    for (const { name, command, code } of cases) {
      const report = await watch.reported(name, ({ phase }) => phase === "failed");
      assert.match(report.reason, new RegExp(`^${code}: .*${command[0]}`));
      const [event, ...more] = await watch.told("app.failed", name);
      assert.is(event?.data.code, code);
      assert.equal(more, [], "told once");
    }
    const deployed = await world.fleet("deploy", world.device, "shown", "--image", "base", "--wait", "--", "/no/such");
    assert.is(deployed.code, 1, deployed.stderr);
    assert.match(deployed.stderr, /shown on device-1 is in the phase failed: LV_COMMAND_NOT_FOUND: .*\/no\/such/);

    const good = await proven(scene, "app");
    await world.desire([neighbour, { ...good, command: ["/no/such"] }]);
    const back = await watch.reported("app", ({ phase, reason }) => phase === "running" && reason !== "");
    assert.match(back.reason, /rolled back to revision \d+, because revision \d+ failed: LV_COMMAND_NOT_FOUND/);
    const [event] = await watch.told("app.rolled-back", "app");
    assert.is(event?.data.code, "LV_COMMAND_NOT_FOUND");
    const starts = (await world.events()).filter(({ type, app }) => type === "app.started" && app === "app").length;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.is((await world.events()).filter(({ type, app }) => type === "app.started" && app === "app").length, starts, "no loop");
    await undisturbed(scene);
  },
  LIMIT,
);

test(
  "a budget greater than the device, and a port that is taken: the reason has the numbers, and it starts once there is room",
  async (t) => {
    const scene = await begin(t);
    const { world, watch, image, neighbour } = scene;
    const huge: App = { name: "huge", image, command: FOREVER, budget: { memory: 1024 ** 4 } };
    const twin: App = { name: "twin", image, command: FOREVER, network: "host", ports: [{ port: 18_080 }] };
    await world.desire([neighbour, huge, twin]);
    const refused = await watch.reported("huge", ({ phase }) => phase === "failed");
    assert.match(refused.reason, /^LV_BUDGET: it asks for 1048576 MiB of memory, other apps have \d+ MiB, and the device has \d+ MiB/);
    const taken = await watch.reported("twin", ({ phase }) => phase === "failed");
    assert.match(taken.reason, /^LV_CONFLICT: port 18080\/tcp belongs to app neighbour already: give one of them another port$/);
    for (const name of ["huge", "twin"]) {
      const [event, ...more] = await watch.told("app.failed", name);
      assert.match(String(event?.data.reason), /memory|port 18080/);
      assert.equal(more, []);
    }
    const waited = await world.fleet("deploy", world.device, "huge", "--image", "base", "-m", "2048g", "--wait", "--", ...FOREVER);
    assert.is(waited.code, 1, waited.stderr);
    assert.match(waited.stderr, /LV_BUDGET: it asks for 2097152 MiB/);

    const good = await proven(scene, "app");
    await world.desire([neighbour, { ...good, budget: { memory: 1024 ** 4 } }]);
    const older = await watch.reported("app", ({ reason }) => /LV_BUDGET/.test(reason));
    assert.is(older.phase, "running", "the version before goes on");

    await world.desire([neighbour, { ...huge, budget: { memory: 32 * 1024 * 1024 } }, { ...twin, ports: [{ port: 18_081 }] }]);
    for (const name of ["huge", "twin"]) await watch.reported(name, ({ phase }) => phase === "running");
    await undisturbed(scene);
  },
  LIMIT,
);

test(
  "a filter of system calls, a kernel setting or an AppArmor profile that can't be had: failed with the reason; what can be had is in force",
  async (t) => {
    const scene = await begin(t);
    const { world, watch, image, neighbour } = scene;
    const odd = (name: string, security: NonNullable<App["security"]>): App => ({ name, image, command: FOREVER, security });
    await world.desire([
      neighbour,
      odd("filter", { seccomp: '{"defaultAction":"SCMP_ACT_NONSENSE"}' }),
      odd("setting", { sysctls: { "kernel.core_pattern": "|/x" } }),
      odd("profile", { apparmor: "no-such-profile" }),
    ]);
    const why = async (name: string, phase: RegExp): Promise<string> =>
      (await watch.reported(name, (report) => phase.test(report.phase) && report.reason !== "")).reason;
    assert.match(await why("filter", /failed/), /^LV_CONFIG: .*defaultAction/);
    assert.match(await why("setting", /failed/), /^LV_CONFIG: .*kernel\.core_pattern: it is a setting of the whole machine/);
    // Where there is AppArmor the profile may be loaded later.
    assert.match(await why("profile", /failed|backoff|crashloop/), /AppArmor profile.*no-such-profile/);
    const file = join(world.directory, "filter.json");
    const syscalls = [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }];
    writeFileSync(file, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls }, undefined, 2));
    const options = ["--security-opt", `seccomp=${file}`, "--sysctl", "net.ipv4.ip_default_ttl=42"];
    const held = "busybox mkdir /x || [ $(busybox cat /proc/sys/net/ipv4/ip_default_ttl) = 42 ] && exec busybox sleep 100000";
    await world.fleetOk("deploy", world.device, "held", "--image", "base", ...options, "--wait", "--", "/bin/busybox", "sh", "-c", held);
    const id = (await world.appReport("held"))?.sandboxId ?? "";
    assert.match(await world.box.ok("inspect", "-f", "{{.HostConfig.SeccompProfile}}", id), /^sha256:[0-9a-f]{64}$/);
    await undisturbed(scene);
  },
  LIMIT,
);

test(
  "an image for another architecture, and a volume that is a file: failed with the reason, and nothing loops",
  async (t) => {
    const scene = await begin(t);
    const { world, watch, image, neighbour } = scene;
    const file = join(world.directory, "foreign.lv");
    const { digest, size } = await busyboxImageFile(file, { name: "foreign", architecture: "riscv64" });
    // The controller refuses what it knows to be foreign; an image from elsewhere is for the device to refuse.
    const server = await serveImage(readFileSync(file));
    t.cleanup(() => server.close());
    const foreign: App = { name: "foreign", image: { name: "foreign:latest", digest, size, url: server.url } };
    mkdirSync(join(world.box.root, "volumes"), { recursive: true });
    writeFileSync(join(world.box.root, "volumes", "odd"), "a file in the place of a volume");
    const stored: App = { name: "stored", image, command: FOREVER, mounts: [{ source: "odd", target: "/var/stored" }] };
    await world.desire([neighbour, foreign, stored]);

    const refused = await watch.reported("foreign", ({ phase }) => phase === "failed");
    assert.match(
      refused.reason,
      /^(LV_IMAGE_PLATFORM: )?image foreign:latest is for riscv64 and this device is \w+: deploy an image for \w+$/,
    );
    assert.is((await watch.told("app.failed", "foreign"))[0]?.data.code, "LV_IMAGE_PLATFORM");

    const stuck = await watch.reported("stored", ({ reason }) => /volumes?\/odd|volume "?odd/.test(reason));
    assert.match(stuck.reason, /^LV_SANDBOX: .*volumes\/odd: Not a directory.*; tried again in \d+ s/);

    await world.fleetOk("push", file);
    const deployed = await world.fleet("deploy", world.device, "pushed", "--image", "foreign");
    assert.is(deployed.code, 1);
    assert.match(deployed.stderr, /foreign:latest is for riscv64, and device-1 is \w+ \(push and deploy an image for \w+\)/);

    const good = await proven(scene, "app");
    await world.desire([neighbour, { ...good, image: foreign.image }]);
    const older = await watch.reported("app", ({ reason }) => /riscv64/.test(reason));
    assert.is(older.phase, "running", "the version before goes on");
    await undisturbed(scene);
  },
  LIMIT,
);
