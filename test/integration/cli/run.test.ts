/** `lightv run`, `create`, `start`: exit codes, streams, signals, flags. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { CliFixture } from "./fixture.ts";

const test = suite("cli/run");
const fixture = new CliFixture();
const { box } = fixture;
test.before(() => fixture.start());
test.after(() => fixture.stop());

/** A client of its own, whose process the test may signal or kill. */
function client(t: TestContext, args: readonly string[]) {
  const child = spawn(box.binary, args, { env: { ...process.env, ...box.env }, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | string | null>((resolve) => child.on("close", (code, signal) => resolve(code ?? signal)));
  const said = new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  t.cleanup(() => child.kill("SIGKILL"));
  return { child, ended, said };
}

test("gives the program's output by stream, and its exit code", async (t) => {
  fixture.need(t);
  const ran = await box.lightv(["run", "--rm", "box", "sh", "-c", "echo out; echo err >&2; exit 7"]);
  assert.equal(ran, { code: 7, stdout: "out\n", stderr: "err\n" });
  assert.is(await box.ok("ps", "-aq"), "");
});

test("exits with 125, 126, 127 and 128 + n as Docker does, and says why", async (t) => {
  fixture.need(t);
  const nowhere = await box.lightv(["run", "--rm", "box", "nope"]);
  assert.is(nowhere.code, 127);
  assert.match(nowhere.stderr, /nope.*No such file/);
  const data = await box.lightv(["run", "--rm", "box", "/etc/passwd"]);
  assert.is(data.code, 126);
  assert.match(data.stderr, /\/etc\/passwd.*Permission denied/);
  assert.is((await box.lightv(["run", "--rm", "box", "sh", "-c", "kill -9 $$"])).code, 137);
  const image = await box.lightv(["run", "--rm", "no-such-image"]);
  assert.is(image.code, 125);
  assert.match(image.stderr, /^lightv run: .*no-such-image/);
  const flag = await box.lightv(["run", "--nmae", "x", "box"]);
  assert.equal(flag, {
    code: 125,
    stdout: "",
    stderr: "lightv run: unknown flag: --nmae, did you mean --name?\nSee 'lightv run --help'.\n",
  });
  assert.is(await box.ok("ps", "-aq"), "");
});

test("copies standard input with -i to its end", async (t) => {
  fixture.need(t);
  const input = "line\n".repeat(50_000);
  const ran = await box.lightv(["run", "--rm", "-i", "box", "cat"], { input });
  assert.is(ran.code, 0);
  assert.is(ran.stdout.length, input.length);
  assert.is((await box.lightv(["run", "--rm", "box", "cat"], { input: "x" })).stdout, "");
});

test("does not hang when the program leaves its input unread", async (t) => {
  fixture.need(t);
  const ran = await box.lightv(["run", "--rm", "-i", "box", "true"], { input: "x".repeat(1 << 20) });
  assert.is(ran.code, 0);
});

test("hands environment, directory, user, host name and entry point to the program", async (t) => {
  fixture.need(t);
  const file = join(box.directory, "vars");
  writeFileSync(file, "# a comment\nFROM_FILE=1\nBOTH=file\n");
  const args = ["--env-file", file, "-e", "BOTH=line", "-e", "OWN", "-w", "/tmp", "-u", "guest", "-h", "edge7"];
  const command = "echo $FROM_IMAGE $FROM_FILE $BOTH $OWN; pwd; id -u; hostname";
  const ran = await box.lightv(["run", "--rm", ...args, "--entrypoint", "sh", "box", "-c", command], { env: { OWN: "ours" } });
  assert.is(ran.stdout, "yes 1 line ours\n/tmp\n1000\nedge7\n");
});

test("mounts what it is told to, and keeps read-only what shall be", async (t) => {
  fixture.need(t);
  const shared = join(box.directory, "tree");
  const run = (...args: string[]) => box.lightv(["run", "--rm", ...args]);
  assert.is((await run("-v", `${shared}:/mnt:ro`, "box", "cat", "/mnt/inside")).stdout, "the image's own file\n");
  assert.is.not((await run("-v", `${shared}:/mnt:ro`, "box", "sh", "-c", "echo x >/mnt/x")).code, 0);
  assert.is((await run("-v", "data1:/data", "box", "sh", "-c", "echo kept >/data/x")).code, 0);
  assert.is((await run("-v", "data1:/data", "box", "cat", "/data/x")).stdout, "kept\n");
  assert.is.not((await run("--read-only", "box", "sh", "-c", "echo x >/x")).code, 0);
  assert.is((await run("--read-only", "--tmpfs", "/tmp:size=1m", "box", "sh", "-c", "echo x >/tmp/x && cat /tmp/x")).stdout, "x\n");
});

test("forwards signals to the program, unless told not to", async (t) => {
  fixture.need(t);
  const trap = "trap 'echo got; exit 42' TERM; echo ready; while :; do sleep 0.1; done";
  const first = client(t, ["run", "--rm", "box", "sh", "-c", trap]);
  await first.said;
  first.child.kill("SIGTERM");
  assert.is(await first.ended, 42);
  const second = client(t, ["run", "--name", "unproxied", "--sig-proxy=false", "box", "sh", "-c", trap]);
  await second.said;
  second.child.kill("SIGTERM");
  assert.is(await second.ended, 143);
  assert.is(await box.ok("inspect", "-f", "{{.State.Status}}", "unproxied"), "running");
  await box.ok("rm", "-f", "unproxied");
});

test("leaves the sandbox running when the client is killed", async (t) => {
  fixture.need(t);
  const { child, ended, said } = client(t, ["run", "--name", "orphan", "box", "sh", "-c", "while echo tick; do sleep 0.1; done"]);
  await said;
  child.kill("SIGKILL");
  assert.is(await ended, "SIGKILL");
  const before = (await box.ok("logs", "orphan")).length;
  await fixture.until("it goes on writing", async () => (await box.ok("logs", "orphan")).length > before);
  assert.is(await box.ok("inspect", "-f", "{{.State.Running}}", "orphan"), "true");
  await box.ok("rm", "-f", "orphan");
});

test("-d prints the id, --cidfile keeps it, and neither file nor name is taken twice", async (t) => {
  fixture.need(t);
  const file = join(box.directory, "cid");
  const id = await box.ok("run", "-d", "--name", "once", "--cidfile", file, "box", "sleep", "100");
  assert.match(id, /^[0-9a-f]{16}$/);
  assert.is(readFileSync(file, "utf8"), id);
  const again = await box.lightv(["run", "-d", "--cidfile", file, "box", "true"]);
  assert.is(again.code, 125);
  assert.match(again.stderr, /cidfile.*File exists/);
  const named = await box.lightv(["run", "-d", "--name", "once", "--cidfile", `${file}2`, "box", "true"]);
  assert.is(named.code, 125);
  assert.match(named.stderr, /once/);
  assert.not(existsSync(`${file}2`));
  await box.ok("rm", "-f", "once");
});

test("create makes, start -a runs and gives the exit code, start again runs it again", async (t) => {
  fixture.need(t);
  await box.ok("create", "--name", "made", "box", "sh", "-c", "echo hi; exit 3");
  assert.is(await box.ok("inspect", "-f", "{{.State.Status}}", "made"), "created");
  for (let round = 0; round < 2; round++) assert.equal(await box.lightv(["start", "-a", "made"]), { code: 3, stdout: "hi\n", stderr: "" });
  assert.is(await box.ok("logs", "made"), "hi\nhi");
  await box.ok("rm", "made");
});

test("wrong values name the flag, the value and what is allowed", async (t) => {
  fixture.need(t);
  for (const [flags, text] of [
    [["-m", "lots"], 'invalid value "lots" for --memory: a size such as 64m or 1.5g'],
    [["--network", "bridge"], 'invalid value "bridge" for --network: none or host'],
    [["--restart", "always:2"], 'invalid value "always:2" for --restart: on-failure alone takes a number of times'],
    [["--rm", "--restart", "always"], "--rm and --restart exclude each other: leave one of them out"],
  ] as const) {
    assert.equal(await box.lightv(["run", ...flags, "box"]), {
      code: 125,
      stdout: "",
      stderr: `lightv run: ${text}\n`,
    });
  }
});
