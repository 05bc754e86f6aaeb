/** `lightv fleet …` as a process, against a real controller and a device that answers. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { run } from "#test/lib/command.ts";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { lvFile } from "#test/lib/lv-file.ts";
import { at, connectDevice, event, eventually, type MqttDevice } from "#test/lib/mqtt-device.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/cli");
const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
const entry = join(dirname(fileURLToPath(import.meta.url)), "../../../fleet/cli/main.ts");
const image = lvFile({ name: "web:latest" });
let fleet: Fleet;
let device: MqttDevice;

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function lightv(args: readonly string[], env: NodeJS.ProcessEnv = {}, until?: (stdout: string) => boolean): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", entry, "fleet", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        HOME: directory,
        XDG_CONFIG_HOME: join(directory, "config"),
        LIGHTV_ROOT: join(directory, "root"),
        LIGHTV_FLEET_URL: fleet.endpoints.api,
        LIGHTV_FLEET_TOKEN: fleet.token,
        ...env,
      },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (until?.(stdout)) child.kill("SIGTERM");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), 25_000);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await lightv(args);
  assert.is(code, 0, `${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** Answers as an agent would: runs what it shall, does what it is told. */
function behave(dev: MqttDevice): void {
  let n = 0;
  let seen = 0;
  const timer = setInterval(() => {
    for (; seen < dev.received.length; seen += 1) {
      const { channel, message } = dev.received[seen] ?? { channel: "ack", message: {} };
      if (channel === "desired") void report(message).catch(() => undefined);
      if (channel === "cmd") void answer(message).catch(() => undefined);
    }
  }, 20);
  dev.client.on("close", () => clearInterval(timer));
  const report = async (message: Record<string, unknown>): Promise<void> => {
    const revision = Number(message.revision);
    const apps = (message.apps as { name: string; image: { digest: string } }[]).map(({ name, image: { digest } }) => ({
      name,
      phase: name === "bad" ? "failed" : "running",
      reason: name === "bad" ? "the command does not exist in the image" : "",
      revision,
      imageDigest: digest,
      restarts: 0,
      health: "none",
    }));
    await dev.reported(++n, revision, { apps });
  };
  const answer = async ({ id, type, app, command }: Record<string, unknown>): Promise<void> => {
    if (type === "logs") {
      const lines = ["one", "two"].map((text, seq) => ({ seq, stream: "stdout", at: at(), text }));
      await dev.publish("log", { app, sandboxId: "0", command: id, lines });
    }
    const exec = type === "exec" ? { exitCode: 3, stdout: `ran ${String(command)}\n`, stderr: "oops\n" } : {};
    const missing = app === "nothing" ? { ok: false, code: "LV_NOT_FOUND", error: 'no app "nothing" on this device' } : { ok: true };
    await dev.publish("result", { id, at: at(), ...missing, ...(app === "nothing" ? {} : exec) });
  };
}

test.before(async () => {
  fleet = await startFleet(directory);
  device = await connectDevice(await fleet.enroll("dev-1"));
  behave(device);
  const root = join(directory, "root");
  mkdirSync(join(root, "refs"), { recursive: true });
  mkdirSync(join(root, "images"), { recursive: true });
  writeFileSync(join(root, "refs", "shop%2Fweb:latest"), `${image.digest}\n`);
  writeFileSync(join(root, "images", `${image.digest.replace(":", "-")}.lv`), image.bytes);
});
test.after(async () => {
  await device.leave();
  await fleet.stop();
  rmSync(directory, { recursive: true, force: true });
});

test("push takes a name of the store and a file; the second time there is nothing to do", async () => {
  assert.match(await ok("push", "shop/web"), new RegExp(`shop/web:latest: ${image.digest}`));
  assert.match(await ok("push", "shop/web"), /already there/);
  const file = join(directory, "web.lv");
  writeFileSync(file, image.bytes);
  assert.is((await ok("push", "-q", file)).trim(), image.digest);
  assert.match(await ok("images"), /REPOSITORY +TAG[\s\S]*web +latest/);
  const broken = join(directory, "broken.lv");
  writeFileSync(broken, image.bytes.subarray(0, 5000));
  const { code, stderr } = await lightv(["push", broken]);
  assert.is(code, 1);
  assert.match(stderr, /^lightv: not a sound \.lv image/);
  assert.match((await lightv(["push", "nowhere"])).stderr, /no image "nowhere:latest"/);
});

test("deploy --wait ends when the app runs, and fails with its reason when it can't", async () => {
  assert.match(
    await ok("deploy", "dev-1", "web", "--image", "web", "--memory", "32m", "--port", "8080", "--wait", "--", "-f"),
    /web runs on dev-1/,
  );
  assert.match(
    await ok("deploy", "dev-1", "web", "--image", "web", "--memory", "32m", "--port", "8080", "--wait", "--", "-f"),
    /web runs on dev-1/,
  );
  const { apps } = await fleet.api<{ apps: { command: string[]; network: string; budget: object }[] }>("GET", "/v1/devices/dev-1/desired");
  assert.equal([apps[0]?.command, apps[0]?.network, apps[0]?.budget], [["-f"], "host", { memory: 33_554_432 }]);
  assert.match(await ok("apps"), /dev-1 +web +web:latest +running/);
  assert.match(await ok("devices"), /dev-1 +online/);
  assert.match(await ok("device", "show", "dev-1"), /Status: +online/);
  const { code, stderr } = await lightv(["deploy", "dev-1", "bad", "--image", "web", "--wait"]);
  assert.is(code, 1);
  assert.match(stderr, /failed: the command does not exist in the image/);
  assert.match(await ok("undeploy", "dev-1", "bad", "--wait"), /removed/);
  assert.match((await lightv(["deploy", "dev-1", "web", "--image", "nothing"])).stderr, /no image "nothing" on the controller/);
  assert.match((await lightv(["deploy", "nobody", "web", "--image", "web"])).stderr, /no device "nobody"/);
});

test("exec gives output and exit code; restart and logs are answered; a failure is told", async () => {
  const ran = await lightv(["exec", "dev-1", "web", "ls", "-l"]);
  assert.equal([ran.code, ran.stdout, ran.stderr], [3, "ran ls,-l\n", "oops\n"]);
  assert.is((await ok("restart", "dev-1", "web")).trim(), "web");
  assert.is(await ok("logs", "dev-1", "web"), "one\ntwo\n");
  const failed = await lightv(["restart", "dev-1", "nothing"]);
  assert.is(failed.code, 1);
  assert.match(failed.stderr, /no app "nothing"/);
});

test("a device that is away makes a command expire, and --no-wait keeps it", async () => {
  await fleet.enroll("away");
  const { code, stderr } = await lightv(["reboot", "away", "--timeout", "500ms"]);
  assert.is(code, 1);
  assert.match(stderr, /no answer from away/);
  const id = (await ok("restart", "away", "web", "--no-wait")).trim();
  const { commands } = await fleet.api<{ commands: { id: string; state: string }[] }>("GET", "/v1/devices/away/commands");
  assert.is(commands.find((command) => command.id === id)?.state, "pending");
});

test("events -f goes on over a kill -9 of the controller, with each event once", async () => {
  await device.events(event(1), event(2));
  await device.next("ack", (message) => message.seq === 2);
  const following = lightv(["events", "-f", "--device", "dev-2", "--format", "json"], {}, (text) => text.split("\n").length > 4);
  const credentials = await fleet.enroll("dev-2");
  await eventually(
    async () => (/stream_readers 1\n/.test(String((await fleet.raw("GET", "/metrics")).body)) ? true : undefined),
    "the reader",
  );
  const first = await connectDevice(credentials, { session: 1 });
  await first.events(event(1), event(2));
  await first.next("ack", (message) => message.seq === 2);
  await fleet.restart();
  await first.end();
  const second = await connectDevice(credentials, { session: 2 });
  await second.events(event(3), event(4));
  await second.next("ack", (message) => message.seq === 4);
  const { stdout, stderr } = await following;
  await second.leave();
  assert.is(stderr, "");
  assert.equal(
    stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { seq: number }).seq),
    [1, 2, 3, 4],
  );
  device = await connectDevice(await fleet.enroll("dev-3"));
});

test("login saves what later calls need; tokens are made, listed and revoked", async () => {
  const bare = { LIGHTV_FLEET_URL: undefined, LIGHTV_FLEET_TOKEN: undefined };
  const before = await lightv(["devices"], bare);
  assert.is(before.code, 125);
  assert.match(before.stderr, /lightv fleet login/);
  assert.is((await lightv(["login", fleet.endpoints.api, "--token", "wrong"], bare)).code, 1);
  assert.is((await lightv(["login", fleet.endpoints.api, "--token", fleet.token], bare)).code, 0);
  assert.is((await lightv(["devices", "-q"], bare)).code, 0);
  const token = (await ok("token", "create", "--uses", "2", "--note", "roof")).trim();
  assert.match(token, /^lvt_/);
  const list = await ok("token", "ls");
  assert.match(list, /valid +2 +.*roof/);
  const id = /^(\S+) .*roof$/m.exec(list)?.[1] ?? "";
  await ok("token", "rm", id);
  assert.match(await ok("token", "ls"), /revoked/);
});

test("a wrong flag ends with 125 and a hint, a controller that is away with 1", async () => {
  for (const args of [
    ["devices", "--no-such"],
    ["deploy", "dev-1"],
    ["deploy", "dev-1", "web", "--image", "web", "--memory", "lots"],
    ["nothing"],
  ])
    assert.is((await lightv(args)).code, 125, args.join(" "));
  const { code, stderr } = await lightv(["devices", "--url", "http://127.0.0.1:1"]);
  assert.is(code, 1);
  assert.match(stderr, /cannot reach the controller at http:\/\/127.0.0.1:1/);
});

test("what is wrong is said in the words of who uses it: the scheme, the token, an id that can't be, the help to read", async () => {
  const https = fleet.endpoints.api.replace("http:", "https:");
  for (const [args, said] of [
    [["devices", "--url", https], /it does not speak TLS \(is it http:\/\/\?\)/],
    [["devices", "--token", "wrong"], /the API token is missing or wrong.*`lightv fleet login` saves it/],
    [["device", "show", "No Device"], /no device, app, command or image can have the name/],
    [["image", "rm", "nope"], /no image "nope" on the controller/],
    [["deploy"], /missing required argument 'device'\n\(see lightv fleet deploy --help\)/],
  ] as const)
    assert.match((await lightv(args)).stderr, said, args.join(" "));
});

test("lightv-fleet ends with 2 and the line for a wrong configuration, and with 2 for a wrong flag", async () => {
  const file = join(directory, "wrong.conf");
  writeFileSync(file, "# a controller\ninsecure = yes\napi.lissten = 127.0.0.1:1\n");
  const main = join(dirname(entry), "../main.ts");
  for (const [args, code, said] of [
    [["--check-config", "--config", file], 2, /^lightv-fleet: \S+wrong\.conf:3: no such key "api\.lissten"/],
    [["--check-config", "--set", "api.listen=8088"], 2, /--set api\.listen: "8088" is not a value for "api\.listen"/],
    [["--no-such"], 2, /^lightv-fleet: unknown option '--no-such'\n\(see lightv-fleet --help\)/],
    [["--help"], 0, /^$/],
  ] as const) {
    const ran = await run(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args]);
    assert.is(ran.code, code, args.join(" "));
    assert.match(ran.stderr, said);
  }
});
