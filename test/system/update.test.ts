/** The agent over the air, on a device as it is sold: systemd, the hardened unit, the launcher and the slots (docs/update.md). */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { agentPayload, agentTree, distVersion, type TreeOptions } from "#test/lib/agent-tree.ts";
import { run } from "#test/lib/command.ts";
import { freePort, until } from "#test/lib/world.ts";
import { Device } from "./lib/device.ts";
import { archiveFile } from "./lib/packages.ts";
import { LONG, openSite, PLATFORM, page, say, scenarios, webImage } from "./lib/scenario.ts";
import type { Site } from "./lib/site.ts";

const test = scenarios("update");

let site: Site;
let device: Device;
let url = "";
let from: { readonly tree: string; readonly architecture: string };
let key = "";

test.before(async () => {
  site = await openSite();
  const port = await freePort();
  url = `http://127.0.0.1:${port}/`;
  from = { tree: join(site.directory, "package"), architecture: PLATFORM };
  await mkdir(from.tree);
  const { code, stderr } = await run("tar", ["-xf", archiveFile(PLATFORM), "-C", from.tree, "--strip-components=1"]);
  assert.is(code, 0, stderr);
  key = join(site.directory, "release.key");
  await site.ok("keygen", key);
  device = await Device.enrolled(site, "update-1", { forward: { 8080: port } }, say);
  const pem = await readFile(`${key}.pub.pem`, "utf8");
  await device.machine.ok(`mkdir -p /etc/lightv/update-keys && cat >/etc/lightv/update-keys/release.pem <<'END'\n${pem}END`);
  await site.push(webImage("web:1", "one"));
  await site.push({ name: "counter:1", cmd: ["/bin/sh", "-c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done"] });
  await device.deploy("web", "web:1", "--port", "8080");
  await device.deploy("counter", "counter:1");
});
test.after(async () => {
  await device?.close();
  await site?.close();
});

/** A release of the agent, made from the package under test, and pushed by the operator. Gives what the command said. */
async function upgrade(version: string, options: TreeOptions = {}): Promise<{ code: number; output: string; seconds: number }> {
  const tree = join(site.directory, version);
  await agentTree(tree, version, { ...options, from });
  const payload = join(site.directory, `lightv-agent-${version}.lv`);
  await agentPayload(payload, tree, version, PLATFORM);
  await site.ok("sign-agent", payload, "--key", key);
  const begin = performance.now();
  const args = ["--image", payload, "--signature", `${payload}.sig`, "--wait", "--timeout", `${device.within(180) / 1000}s`];
  const { code, stdout, stderr } = await site.fleet("upgrade-agent", device.name, ...args);
  return { code, output: `${stdout}${stderr}`, seconds: (performance.now() - begin) / 1000 };
}

/** Asks the web app all the while; gives how often it was asked, and how often in vain. */
async function underRequests<T>(work: () => Promise<T>): Promise<{ result: T; asked: number; failed: number }> {
  const done = new AbortController();
  let [asked, failed] = [0, 0];
  const asking = (async () => {
    while (!done.signal.aborted) {
      asked++;
      if ((await page(url)) !== "one") failed++;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  const result = await work().finally(() => done.abort());
  await asking;
  return { result, asked, failed };
}

const pids = async (): Promise<string> => `${await device.pid("web")} ${await device.pid("counter")}`;

/** Every line of the counter, from the first one on: none is missing, none is there twice. */
async function linesWithoutGap(): Promise<number> {
  const text = await device.machine.ok("lightv logs $(lightv ps -q --filter name=counter)");
  const lines = text.split("\n").map(Number);
  const wrong = lines.findIndex((line, at) => line !== at);
  assert.is(wrong, -1, `line ${wrong} is ${lines[wrong]}`);
  return lines.length;
}

const eventTypes = async (): Promise<string[]> =>
  (await site.events(device.name)).map(({ type }) => type).filter((type) => /^agent\.(up|roll)/.test(type));

test(
  "from N to N+1 under load: no app restarts, no request fails, no line of a log is lost",
  async () => {
    const before = await pids();
    const { result, asked, failed } = await underRequests(() => upgrade("9.0.1"));
    assert.is(result.code, 0, `${result.output}\n${await device.log(80)}`);
    say(`from ${await distVersion()} to 9.0.1 in ${result.seconds.toFixed(1)} s; ${asked} requests meanwhile, ${failed} failed`);
    assert.is(failed, 0);
    assert.is(await pids(), before);
    say(`${await linesWithoutGap()} lines without a gap`);
    for (const app of ["web", "counter"]) assert.is((await site.app(device.name, app))?.restarts, 0);
    assert.match(await site.ok("devices"), /9\.0\.1/);
    assert.match(await device.machine.ok("tr '\\0' ' ' </proc/$(systemctl show -P MainPID lightvd)/cmdline"), /slots\/a\//);
    await site.ok("exec", device.name, "counter", "/bin/true");
  },
  LONG,
);

test(
  "a version that hangs and one that ends at once are rolled back by the device itself, and reported",
  async () => {
    const before = await pids();
    for (const [version, atStart, why] of [
      ["9.0.2", "exec sleep 1000", /was killed/],
      ["9.0.3", "exit 7", /status 7/],
    ] as const) {
      const { result, failed } = await underRequests(() => upgrade(version, { atStart }));
      assert.is(result.code, 1, result.output);
      assert.match(result.output, why);
      say(`${version} was rolled back and reported ${result.seconds.toFixed(1)} s after the operator's command`);
      assert.is(failed, 0);
      assert.ok(1000 * result.seconds <= device.within(120), "two minutes, as long as this machine takes for them");
      assert.match(await site.ok("devices"), /9\.0\.1/);
    }
    assert.is(await pids(), before);
    await linesWithoutGap();
    const told = async (): Promise<true | undefined> => ((await eventTypes()).length >= 6 ? true : undefined);
    await until("the events", told, device.within(60));
    const [begun, rolledBack] = ["agent.update-started", "agent.rolled-back"];
    assert.equal(await eventTypes(), [begun, "agent.updated", begun, rolledBack, begun, rolledBack]);
  },
  LONG,
);

test(
  "a reboot starts the version that is in force, and not the ones that failed",
  async () => {
    await device.machine.reboot();
    await device.online();
    const running = async (): Promise<true | undefined> => ((await page(url)) === "one" ? true : undefined);
    await until("the app", running, device.within(60));
    assert.match(await site.ok("devices"), /9\.0\.1/);
    const starts = (await site.events(device.name)).filter(({ type }) => type === "agent.started").map(({ data }) => data.version);
    assert.is(starts.at(-1), "9.0.1");
  },
  LONG,
);
