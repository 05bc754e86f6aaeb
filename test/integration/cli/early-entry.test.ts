/** The plain `lightv run` is told to a prepared sandbox before the C library starts; whatever happens then is what the whole program does. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { Box, type Ran } from "#test/lib/command.ts";
import { busyboxImage, imagesUnavailable } from "#test/lib/images.ts";
import { Runtime } from "#test/lib/runtime.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("cli/early-entry");

async function begin(t: TestContext): Promise<readonly [Box, Runtime]> {
  const reason = Box.unavailable() ?? imagesUnavailable();
  if (reason !== undefined) t.skip(reason);
  const box = new Box();
  t.cleanup(() => box.close());
  await busyboxImage(box.root, { name: "box" });
  return [box, await Runtime.start(t, box, "box")];
}

/** A command that the test may signal. */
function client(t: TestContext, box: Box, script: string, flag = "--rm") {
  const child = spawn(box.binary, ["run", flag, "box", "sh", "-c", script], {
    env: { ...process.env, ...box.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const said = new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const ended = new Promise<Ran>((resolve) => child.on("close", (code) => resolve({ code: code ?? -1, stdout, stderr })));
  t.cleanup(() => child.kill("SIGKILL"));
  return { child, ended, said };
}

/** Waits until so many were taken and the next one is ready: the keeper hears of a failed start behind its caller. */
async function refilled(runtime: Runtime, taken: number): Promise<void> {
  for (;;) {
    const status = await runtime.ready();
    if (status.taken === taken) return;
    assert.ok(status.taken < taken);
    await sleep(5);
  }
}

/** A program whose C library has started has a heap. */
function isEarly(pid: number | undefined): boolean {
  return !readFileSync(`/proc/${pid}/maps`, "latin1").includes("[heap]");
}

/** The processes of this box with this title. */
function titled(box: Box, title: string): number[] {
  const ids = new Set(readdirSync(`${box.runRoot}/sandboxes`));
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const [name, id] = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", "").trim().split(" ");
        return name === title && ids.has(id ?? "");
      } catch {
        return false;
      }
    })
    .map(Number);
}

test("streams, exit codes and complaints are those of a command line that is not plain", async (t) => {
  const [box, runtime] = await begin(t);
  let taken = 0;
  for (const words of [
    ["sh", "-c", "echo out; echo err >&2; exit 7"],
    ["sh", "-c", "kill -9 $$"],
    ["sh", "-c", 'echo "a\\b"; printf "\\t%s" "$0"', "x\ty"],
    ["nope"],
    ["/etc/passwd"],
  ]) {
    const early = await box.lightv(["run", "--rm", "box", ...words]);
    await refilled(runtime, ++taken);
    const whole = await box.lightv(["run", "--rm", "--sig-proxy=true", "box", ...words]);
    await refilled(runtime, ++taken);
    assert.equal(early, whole);
  }
  assert.is(await box.ok("ps", "-aq"), "");
});

test("it waits for the end as it began, and a signal is passed on", async (t) => {
  const [box] = await begin(t);
  const { child, ended, said } = client(t, box, "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.05; done");
  await said;
  await sleep(200);
  assert.ok(isEarly(child.pid));
  child.kill("SIGTERM");
  assert.equal(await ended, { code: 3, stdout: "up\ngot\n", stderr: "" });
});

test("a monitor that is killed is told of", async (t) => {
  const [box] = await begin(t);
  const { ended, said } = client(t, box, "echo up; sleep 100");
  await said;
  for (const pid of titled(box, "lightv-monitor")) process.kill(pid, "SIGKILL");
  const { code, stderr } = await ended;
  assert.is(code, 137);
  assert.match(stderr, /monitor was lost/);
});

test("one that has stopped is given up, and the program runs once", async (t) => {
  const [box, runtime] = await begin(t);
  const { pid } = JSON.parse(await box.ok("runtime", "status", "--json")) as { pid: number };
  const stopped = [pid, ...titled(box, "lightv-prepared")];
  for (const one of stopped) process.kill(one, "SIGSTOP");
  const { child, ended } = client(t, box, "echo ran", "--name=once");
  await new Promise((resolve) => child.once("exit", resolve));
  // Only now: a stopped one holds the streams that were sent to it.
  for (const one of stopped) process.kill(one, "SIGCONT");
  assert.equal(await ended, { code: 0, stdout: "ran\n", stderr: "" });
  await runtime.ready();
  assert.is(await box.ok("logs", "once"), "ran");
  assert.is((await box.ok("ps", "-aq")).split("\n").length, 1);
});
