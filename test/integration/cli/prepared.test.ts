/** `lightv run` by a prepared sandbox gives what a start from nothing gives. */
import { readdirSync, readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { Box } from "#test/lib/command.ts";
import { busyboxImage, imagesUnavailable } from "#test/lib/images.ts";
import { Runtime } from "#test/lib/runtime.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("cli/prepared");

/** An image whose own user is not root, and in which root is in more groups than one. */
async function begin(t: TestContext): Promise<Box> {
  const reason = Box.unavailable() ?? imagesUnavailable();
  if (reason !== undefined) t.skip(reason);
  const box = new Box();
  t.cleanup(() => box.close());
  const files = { "/etc/group": "root:x:0:root\nwheel:x:10:root\ndisk:x:6:root\nnogroup:x:65534:\n" };
  await busyboxImage(box.root, { name: "box", files, config: { User: "nobody" } });
  return box;
}

/** What the same command line gives from nothing, and by a prepared sandbox. */
async function both(t: TestContext, ...args: readonly string[]): Promise<readonly [string, string]> {
  const box = await begin(t);
  const cold = await box.ok("run", "--rm", ...args);
  const runtime = await Runtime.start(t, box, "box");
  const hot = await box.ok("run", "--rm", ...args);
  assert.is((await runtime.ready()).taken, 1, "it was a prepared one");
  return [cold, hot];
}

const LOOK = ["sh", "-c", "id -u; id -g; id -G; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; cat /proc/1/oom_score_adj"];

for (const [who, flags] of [
  ["the image's own", []],
  ["root", ["--user", "0"]],
  ["root in one group", ["--user", "0:0"]],
  ["another by number", ["--user", "1000:5"]],
  ["the image's own, easier to kill", ["--oom-score-adj", "300"]],
] as const)
  test(`a user is who he shall be: ${who}`, async (t) => {
    const [cold, hot] = await both(t, ...flags, "box", ...LOOK);
    assert.is(hot, cold);
  });

test("a command line that is too long for a prepared sandbox is run all the same", async (t) => {
  const box = await begin(t);
  await Runtime.start(t, box, "box");
  const flags = Array.from({ length: 40 }, (_, i) => ["--env", `V${i}=${"x".repeat(2000)}`]).flat();
  assert.is(await box.ok("run", "--rm", ...flags, "box", "sh", "-c", "echo $V39 | busybox wc -c"), "2001");
});

test("a signal to one that waits ends it, and not the sandbox that it might have become", async (t) => {
  const box = await begin(t);
  const runtime = await Runtime.start(t, box, "box");
  const waiting = prepared(box);
  assert.ok(waiting.length > 0);
  for (const pid of waiting) process.kill(pid, "SIGTERM");
  await runtime.ready();
  assert.is(await box.ok("run", "--rm", "box", "sh", "-c", "sleep 0.2; echo done"), "done");
});

/** Those that wait for a request in this box. */
function prepared(box: Box): number[] {
  const ids = new Set(readdirSync(`${box.runRoot}/sandboxes`));
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      const line = commandLine(pid);
      return line.startsWith("lightv-prepared ") && ids.has(line.slice("lightv-prepared ".length));
    })
    .map(Number);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", "").trim();
  } catch {
    return "";
  }
}
