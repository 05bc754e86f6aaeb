/** AppArmor on a device's own kernel, with the package apparmor: the profile is loaded at boot, every way to start has it, and it holds. */
import * as assert from "uvu/assert";
import { Device } from "./lib/device.ts";
import { LONG, openSite, say, scenarios } from "./lib/scenario.ts";
import type { Site } from "./lib/site.ts";

const test = scenarios("apparmor");

let site: Site;
let device: Device;
/** By its digest: the device's store knows no names. */
let image = "";

test.before(async () => {
  site = await openSite();
  device = await Device.enrolled(site, "apparmor-1", { memory: 512 }, say);
  await site.push({ name: "idle:1", cmd: ["/bin/sh", "-c", "while :; do sleep 1000; done"] });
  await device.deploy("idle", "idle:1");
  image = await device.machine.ok("lightv inspect -f '{{.Image}}' $(lightv ps -q --filter name=idle)");
});
test.after(async () => {
  await device?.close();
  await site?.close();
});

const LABEL = "cat /proc/self/attr/apparmor/current 2>/dev/null || cat /proc/self/attr/current";
const CONFINED = "lightv-default (enforce)";
const run = (flags: string, script: string): Promise<string> =>
  device.machine.ok(`lightv run --rm ${flags} ${image} /bin/sh -c '${script}' 2>&1 || true`);

test(
  "the profile is loaded at boot and told by info",
  async () => {
    assert.is(await device.machine.ok("cat /sys/module/apparmor/parameters/enabled"), "Y");
    assert.match(await device.machine.ok("cat /sys/kernel/security/apparmor/profiles"), /^lightv-default \(enforce\)$/m);
    assert.is(await device.machine.ok("lightv info -f '{{.AppArmor}}'"), "lightv-default");
  },
  LONG,
);

test(
  "run, exec, the agent's apps and prepared sandboxes have it, inspect shows it; the engine's own processes have none",
  async () => {
    const { machine } = device;
    assert.is(await run("", LABEL), CONFINED);
    assert.is(await run("--user 1000", LABEL), CONFINED);
    const [id = ""] = (await machine.ok("lightv ps -q --filter name=idle")).split("\n");
    assert.is(await machine.ok(`lightv exec ${id} /bin/sh -c '${LABEL}'`), CONFINED);
    assert.is(await machine.ok(`lightv inspect -f '{{.AppArmorProfile}}' ${id}`), "lightv-default");
    assert.is(await machine.ok(`lightv exec --privileged ${id} /bin/sh -c '${LABEL}'`), "unconfined");
    assert.is(await machine.ok(`cat /proc/$(lightv inspect -f '{{.State.InitPid}}' ${id})/attr/apparmor/current`), "unconfined");
    await device.deploy("warm", "idle:1", "--warm", "1");
    assert.is(await run("", LABEL), CONFINED, "also one that was prepared");
  },
  LONG,
);

test(
  "it holds with all rights and no filter, and unconfined gives it up",
  async () => {
    const open = "--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt landlock=off";
    const mount = "mount -t tmpfs none /tmp && echo mounted";
    assert.match(await run(open, mount), /denied|not permitted/);
    assert.match(await run(`${open} --security-opt apparmor=unconfined`, mount), /mounted/);
    assert.is(await run("--privileged", LABEL), "unconfined");
  },
  LONG,
);

test(
  "a profile of one's own is in force when it is loaded; one that is not starts nothing, and an app reports it",
  async () => {
    await device.machine.ok(
      "printf 'profile own flags=(attach_disconnected) {\\n file,\\n deny /etc/hostname r,\\n}\\n' >/root/own && apparmor_parser -r /root/own",
    );
    assert.match(await run("--security-opt apparmor=own", "cat /etc/hostname"), /denied/i);
    assert.match(await run("--security-opt apparmor=missing", "true"), /AppArmor profile.*missing.*apparmor_parser/);
    await site.fleet("deploy", device.name, "bad", "--image", "idle:1", "--security-opt", "apparmor=missing");
    const report = await site.reported(device.name, "bad", ({ reason }) => /AppArmor/.test(reason), device.within(60));
    assert.match(report.reason, /missing/);
    await device.machine.ok(
      "printf 'profile missing flags=(attach_disconnected) {\\n file,\\n}\\n' >/root/m && apparmor_parser -r /root/m",
    );
    await site.reported(device.name, "bad", ({ phase }) => phase === "running", device.within(120));
  },
  LONG,
);
