/**
 * `npm run demo`: a controller, an agent and a web server in a sandbox, deployed by an MQTT desired state, all on this machine and all
 * real. Leaves everything running until Ctrl-C, which cleans up. `--once` checks each step, cleans up and exits 0, or says what failed.
 */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { census, settled } from "#test/lib/leaks.ts";
import { freePort, until, World } from "#test/lib/world.ts";

const once = process.argv.includes("--once");
const APP = "web";
const PAGE = "<h1>Hello from a LightV sandbox</h1>\n";

function step(text: string): void {
  console.log(`\n\u001b[1m==> ${text}\u001b[0m`);
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`this should hold and does not: ${what}`);
  console.log(`    ok: ${what}`);
}

/** busybox's httpd from Debian's package, statically linked, with one page. */
function makeRootfs(directory: string): string {
  const rootfs = join(directory, "rootfs");
  for (const name of ["bin", "www", "etc", "tmp"]) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync("/bin/busybox", join(rootfs, "bin", "busybox"));
  writeFileSync(join(rootfs, "www", "index.html"), PAGE);
  writeFileSync(join(rootfs, "etc", "passwd"), "root:x:0:0:root:/:/bin/busybox\nwww:x:33:33:www:/www:/bin/busybox\n");
  return rootfs;
}

async function show(world: World, port: number): Promise<void> {
  step("the page that the sandboxed server serves");
  const url = `http://127.0.0.1:${port}/`;
  const page = await until(
    "the page",
    () =>
      fetch(url)
        .then((answer) => answer.text())
        .catch(() => undefined),
    10_000,
  );
  console.log(page.trimEnd());
  check(page === PAGE, `GET ${url} gives the page of the image`);

  step("the device's reported status");
  console.log(await world.fleetOk("devices"));
  console.log(await world.fleetOk("apps"));
  const report = await world.appReport(APP);
  check(report?.phase === "running", "the app is reported as running");

  step("live stats");
  const stats = await world.box.ok("stats", "--no-stream");
  console.log(stats);
  check(stats.includes(APP), "lightv stats shows the app's sandbox");
  console.log(`\n    start time: ${report?.startMs?.toFixed(1) ?? "?"} ms from the agent's decision to the running program`);
}

async function demo(world: World): Promise<void> {
  const port = await freePort();
  step("a fleet controller with its MQTT broker, and an agent that enrols as a device");
  await world.start();
  check((await world.view())?.online === true, "the device is online");

  step("an image from Debian's busybox httpd, pushed to the controller");
  const rootfs = makeRootfs(world.directory);
  const cmd = JSON.stringify(["/bin/busybox", "httpd", "-f", "-p", `127.0.0.1:${port}`, "-h", "/www"]);
  const digest = await world.box.ok("import", "-q", "--change", `CMD ${cmd}`, rootfs, `${APP}:demo`);
  console.log(digest);
  check(/^sha256:[0-9a-f]{64}$/.test(digest), "lightv import prints the image's digest");
  console.log(await world.box.ok("images"));
  await world.fleetOk("push", `${APP}:demo`);
  // The device must fetch its own copy: the agent shares this machine's store with the command.
  await world.box.ok("rmi", `${APP}:demo`);

  step("deployed by a desired state over MQTT");
  const flags = ["--image", `${APP}:demo`, "--memory", "32m", "--network", "host", "--port", String(port), "--wait"];
  console.log(await world.fleetOk("deploy", world.device, APP, ...flags));
  await show(world, port);
}

async function untilInterrupted(world: World): Promise<void> {
  const env = Object.entries({ ...world.box.env, ...world.fleetEnv })
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
  console.log(
    `\nEverything is running. Try it in another terminal:\n\n  export ${env}\n  dist/bin/lightv ps\n  dist/bin/lightv fleet events\n\nCtrl-C cleans up.`,
  );
  await new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}

const reason = World.unavailable();
if (reason !== undefined) {
  console.error(`the demo can't run here: ${reason}`);
  process.exit(1);
}
const before = census();
const world = new World({ device: "demo-device" });
try {
  await demo(world);
  if (!once) await untilInterrupted(world);
} catch (error) {
  console.error(`\nthe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  console.error(`--- the agent's last lines\n${world.agentLog()}\n--- the controller's last lines\n${world.controller.output}`);
  process.exitCode = 1;
} finally {
  step("cleaning up");
  await world.close();
  const left = await settled(before);
  const verdict =
    left.length === 0 ? "ok: no mount, cgroup, namespace, process, loop device or link is left" : `left behind: ${left.join("; ")}`;
  console.log(`    ${verdict}`);
  if (left.length > 0) process.exitCode = 1;
}
