/** What a person sees of images that are damaged, foreign or too large for the disk: a clear line on stderr, an exit code, and nothing else lost. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { Box, type Ran } from "#test/lib/command.ts";
import { DAMAGES, damage, HEAD_DAMAGES } from "#test/lib/damage.ts";
import { busyboxImage, busyboxImageFile, helloImage, imagesUnavailable } from "#test/lib/images.ts";
import { SmallDisk } from "#test/lib/small-disk.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("fault/command");

function begin(t: TestContext): Box {
  const reason = Box.unavailable() ?? imagesUnavailable();
  if (reason !== undefined) t.skip(reason);
  const box = new Box();
  t.cleanup(() => box.close());
  return box;
}

/** One line that says what failed and, in brackets, what to do; never a stack. */
function fails(ran: Ran, code: number, ...words: readonly RegExp[]): void {
  assert.is(ran.code, code, ran.stderr);
  for (const word of words) assert.match(ran.stderr, word);
  assert.match(ran.stderr, /^lightv [a-z]+: .+ \(.+\)\n$/, `one line with a hint, not: ${ran.stderr}`);
}

/** Everything below a root but what an empty store has. */
function filesOf(box: Box): string[] {
  return readdirSync(box.root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);
}

test("run, inspect and verify refuse a file whose head is damaged, and say how", async (t) => {
  const box = begin(t);
  const good = join(box.directory, "good.lv");
  await busyboxImageFile(good, { cmd: ["/bin/echo", "hello"] });
  for (const how of HEAD_DAMAGES) {
    const bad = join(box.directory, "bad.lv");
    copyFileSync(good, bad);
    damage(bad, how);
    const what =
      how === "truncated" || how === "oversized" ? /file size is \d+ but the file has \d+ bytes/ : /does not match|digest|manifest/;
    fails(await box.lightv(["run", "--rm", bad]), 125, /bad\.lv/, what, /fetch or build it again/);
    fails(await box.lightv(["verify", bad]), 1, /bad\.lv/, what);
    assert.is((await box.lightv(["inspect", bad])).code, 1, how);
  }
  assert.is(await box.ok("ps", "-aq"), "", "no half-made sandbox");
  assert.is(await box.ok("run", "--rm", good), "hello", "the good one runs as before");
});

test("verify finds a flipped bit anywhere, in a file and in the store", async (t) => {
  const box = begin(t);
  const good = join(box.directory, "good.lv");
  await busyboxImageFile(good);
  for (const how of DAMAGES) {
    const bad = join(box.directory, "bad.lv");
    copyFileSync(good, bad);
    damage(bad, how);
    fails(await box.lightv(["verify", bad]), 1, /damaged|fetch or build it again/);
  }
  const { path } = await busyboxImage(box.root, { name: "stored" });
  await helloImage(box.root);
  assert.is((await box.lightv(["verify", "stored"])).code, 0);
  damage(path, "flipped content");
  fails(await box.lightv(["verify", "stored"]), 1, /SHA-256 of bytes \d+ to \d+ does not match/);
  assert.is(await box.ok("run", "--rm", "hello"), "hello");
});

test("an image for another architecture is not started", async (t) => {
  const box = begin(t);
  const foreign = join(box.directory, "foreign.lv");
  await busyboxImageFile(foreign, { architecture: "riscv64" });
  fails(await box.lightv(["run", "--rm", foreign]), 125, /riscv64/, /amd64|arm64/);
  assert.is(await box.ok("ps", "-aq"), "");
});

test("a command that does not exist is 127, one that is not executable 126, and neither leaves a sandbox", async (t) => {
  const box = begin(t);
  await busyboxImage(box.root, { name: "box", files: { "/data": "text" } });
  fails(await box.lightv(["run", "--rm", "box", "/no/such"]), 127, /\/no\/such/);
  fails(await box.lightv(["run", "--rm", "box", "nosuch"]), 127, /nosuch/);
  fails(await box.lightv(["run", "--rm", "box", "/data"]), 126, /\/data/);
  fails(await box.lightv(["run", "--rm", "box", "/bin"]), 126, /\/bin/);
  assert.is(await box.ok("ps", "-aq"), "");
});

test("a truncated archive is refused with its place, and nothing of it stays", async (t) => {
  const box = begin(t);
  await helloImage(box.root);
  const before = filesOf(box);
  const tree = join(box.directory, "archive.tar");
  execFileSync("tar", ["-cf", tree, "-C", "/bin", "busybox"]);
  const whole = readFileSync(tree);
  const cut = join(box.directory, "cut.tar");
  writeFileSync(cut, whole.subarray(0, 300_000));
  fails(await box.lightv(["import", cut, "cut"]), 1, /broken near byte 300000/, /"busybox"/);
  fails(await box.lightv(["import", "-o", join(box.directory, "cut.lv"), cut, "cut"]), 1, /broken near byte 300000/);
  fails(await box.lightv(["import", "/bin/busybox", "cut"]), 1, /busybox/);
  assert.equal(filesOf(box), before);
  assert.not.ok(
    readdirSync(box.directory).some((name) => name.startsWith("cut.lv")),
    "no half file beside the one asked for",
  );
});

test("an import on a full disk says so, leaves nothing, and works once there is room", async (t) => {
  const box = begin(t);
  const disk = SmallDisk.mount(box.root, 16 * 1024 * 1024);
  t.cleanup(() => disk.unmount());
  await helloImage(box.root);
  disk.fill(1024 * 1024);
  const before = filesOf(box);
  const source = join(box.directory, "big");
  mkdirSync(source);
  copyFileSync("/bin/busybox", join(source, "busybox"));
  fails(await box.lightv(["import", source, "big"]), 1, /takes \d\.\d+MB, and .* has \d+.* left|ENOSPC/);
  fails(await box.lightv(["import", "-", "big"], { input: "" }), 1);
  assert.equal(filesOf(box), before, "nothing of the failed import stays");
  assert.is(await box.ok("run", "--rm", "--read-only", "hello"), "hello", "what was there runs on the full disk");
  disk.makeRoom();
  assert.match(await box.ok("import", source, "big"), /^sha256:/);
});
