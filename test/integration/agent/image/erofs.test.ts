/** The EROFS writer before its judges: fsck.erofs, and the kernel, whose mount must show the source's tree. */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { TOP } from "#test/lib/command.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/image/erofs");
const isRoot = process.getuid?.() === 0;

function have(program: string): boolean {
  return spawnSync(program, ["--version"]).error === undefined;
}

function scratch(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "lightv-erofs-"));
  t.cleanup(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function must(command: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv; input?: Buffer } = {}): string {
  const { status, stdout, stderr } = spawnSync(command, args, { ...options, env: { ...process.env, ...options.env }, maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${status}\n${stdout}${stderr}`);
  return stdout.toString();
}

/** Imports by the command and gives the file. */
function build(place: string, input: string, stdin?: Buffer): string {
  const file = join(place, `${randomBytes(4).toString("hex")}.lv`);
  must(
    process.execPath,
    [join(TOP, "agent/cli/main.ts"), "import", "-q", "-o", file, input, "test"],
    stdin === undefined ? {} : { input: stdin },
  );
  return file;
}

/** Calls `look` with the image mounted; the mount is always gone afterwards. */
function mounted<T>(t: TestContext, place: string, file: string, look: (at: string) => T): T {
  const at = join(place, "mnt");
  mkdirSync(at, { recursive: true });
  const { status, stderr } = spawnSync("mount", ["-t", "erofs", "-o", "ro,loop", file, at]);
  if (status !== 0 && /unknown filesystem|failed to setup loop/.test(stderr.toString())) t.skip(`can't mount EROFS here: ${stderr}`);
  assert.is(status, 0, stderr.toString());
  try {
    return look(at);
  } finally {
    must("umount", [at]);
  }
}

/** Everything that an image keeps, one line a path. */
function listing(top: string): string[] {
  const lines: string[] = [];
  const names = new Map<bigint, string>();
  const visit = (path: Buffer, shown: string): void => {
    const stats = lstatSync(path, { bigint: true });
    if (stats.isSocket()) return;
    let more = "";
    if (stats.isFile())
      more = `${stats.size} ${createHash("sha256").update(readFileSync(path)).digest("hex")} ${names.get(stats.ino) ?? "-"} ${stats.nlink}`;
    if (stats.isFile() && !names.has(stats.ino)) names.set(stats.ino, shown);
    if (stats.isSymbolicLink()) more = readlinkSync(path, "latin1");
    if (stats.isBlockDevice() || stats.isCharacterDevice()) more = String(stats.rdev);
    lines.push(`${shown} ${stats.mode.toString(8)} ${stats.uid}:${stats.gid} ${stats.mtimeNs} ${more}`);
    if (!stats.isDirectory()) return;
    const children = readdirSync(path, { encoding: "buffer" }) as Buffer[];
    for (const name of children.sort(Buffer.compare))
      visit(Buffer.concat([path, Buffer.from("/"), name]), `${shown}/${name.toString("latin1")}`);
  };
  visit(Buffer.from(top), "");
  return lines;
}

function makeTree(top: string): void {
  mkdirSync(top);
  for (const [name, size] of [
    ["empty", 0],
    ["one", 1],
    ["block", 4096],
    ["blocks", 3 * 4096],
    ["over", 4097],
    ["big", 3_000_001],
  ] as const)
    writeFileSync(join(top, name), randomBytes(size));
  truncateSync(join(top, "empty"), 0);
  linkSync(join(top, "over"), join(top, "another name"));
  symlinkSync("over", join(top, "link"));
  symlinkSync(`/${"x/".repeat(2000)}y`, join(top, "long-link"));
  writeFileSync(join(top, "n".repeat(255)), "a long name");
  writeFileSync(Buffer.concat([Buffer.from(`${top}/`), Buffer.from([0xff, 0xfe, 0x20, 0x0a, 0x41])]), "not UTF-8");
  const many = join(top, "many");
  mkdirSync(many);
  for (let index = 0; index < 10_000; index++) closeSync(openSync(join(many, `entry-${index}-${"p".repeat(index % 200)}`), "w"));
  let deep = join(top, "deep");
  for (let level = 0; level < 150; level++) {
    mkdirSync(deep);
    deep = join(deep, `level-${level}`);
  }
  must("mknod", [join(top, "null"), "c", "1", "3"]);
  must("mknod", [join(top, "high"), "b", "300", "70000"]);
  must("mkfifo", [join(top, "fifo")]);
  must("chown", ["70000:4000000000", join(top, "one")]);
  must("chmod", ["6755", join(top, "one")]);
  must("touch", ["-h", "-d", "1960-02-03 04:05:06.789012345", join(top, "block")]);
  must("touch", ["-h", "-d", "2100-02-03 04:05:06.000000001", join(top, "link")]);
  utimesSync(join(top, "deep"), 0, 0);
}

test(
  "a directory, mounted by the kernel, is the directory; by tar as well",
  (t) => {
    if (!isRoot) t.skip("needs root");
    const place = scratch(t);
    const source = join(place, "source");
    makeTree(source);
    const expected = listing(source);
    const file = build(place, source);
    if (have("fsck.erofs")) must("fsck.erofs", [file]);
    assert.equal(mounted(t, place, file, listing), expected);
    const packed = spawnSync("tar", ["-C", source, "--format=pax", "-cf", "-", "."], { maxBuffer: 1 << 28 }).stdout;
    const byTar = build(place, "-", packed);
    assert.ok(readFileSync(byTar).equals(readFileSync(file)), "a tar of the directory gives the same image");
    assert.ok(readFileSync(build(place, source)).equals(readFileSync(file)), "and so does the directory once more");
  },
  { timeoutMs: 180_000 },
);

test(
  "extended attributes of a tar are in the mounted image, binary ones too",
  (t) => {
    if (!isRoot) t.skip("needs root");
    if (!have("setcap")) t.skip("needs setcap (package libcap2-bin)");
    const place = scratch(t);
    const source = join(place, "source");
    mkdirSync(source);
    writeFileSync(join(source, "ping"), "x");
    must("setcap", ["cap_net_raw,cap_setfcap,cap_sys_module+ep", join(source, "ping")]);
    const packed = spawnSync("tar", ["-C", source, "--xattrs", "--xattrs-include=*", "--format=pax", "-cf", "-", "."]).stdout;
    const file = build(place, "-", packed);
    const text = mounted(t, place, file, (at) => must("getcap", [join(at, "ping")]));
    assert.match(text, /cap_net_raw/);
    assert.match(text, /cap_sys_module/);
    assert.match(text, /cap_setfcap/);
  },
  { timeoutMs: 60_000 },
);

test(
  "every name of a large directory is found, and no other (the kernel's binary search)",
  (t) => {
    if (!isRoot) t.skip("needs root");
    const place = scratch(t);
    const source = join(place, "source");
    mkdirSync(source);
    const names = Array.from(
      { length: 2000 },
      (_, index) =>
        createHash("sha256")
          .update(String(index))
          .digest("hex")
          .slice(0, 1 + (index % 60)) + index,
    );
    for (const name of [...names, "!", "-", "..."]) closeSync(openSync(join(source, name), "w"));
    const found = mounted(
      t,
      place,
      build(place, source),
      (at) =>
        [...names, "!", "-", "..."].filter((name) => lstatSync(join(at, name), { throwIfNoEntry: false })?.isFile()).length +
        [...names].filter((name) => lstatSync(join(at, `${name}~`), { throwIfNoEntry: false }) !== undefined).length * 1_000_000,
    );
    assert.is(found, names.length + 3);
  },
  { timeoutMs: 60_000 },
);
