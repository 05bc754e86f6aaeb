/** A disk that is really full: a small tmpfs. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { run, TOP } from "#test/lib/command.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/image/disk-full");

test("an import onto a full disk says so and leaves nothing behind", async (t) => {
  if (process.getuid?.() !== 0) t.skip("needs root");
  const place = mkdtempSync(join(tmpdir(), "lightv-full-"));
  t.cleanup(() => rmSync(place, { recursive: true, force: true }));
  const [root, source] = [join(place, "root"), join(place, "source")];
  mkdirSync(root);
  mkdirSync(source);
  writeFileSync(join(source, "file"), randomBytes(3 << 20));
  const packed = join(place, "source.tar.gz");
  assert.is(spawnSync("tar", ["-C", source, "-czf", packed, "."]).status, 0);
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", root]);
  if (mount.status !== 0) t.skip(`can't mount a tmpfs: ${mount.stderr}`);
  t.cleanup(() => spawnSync("umount", [root]));
  // The directory fails by the look at the disk before the first byte, the packed tar in the middle of its spool file.
  for (const input of [source, packed]) {
    const { code, stderr } = await run(process.execPath, [join(TOP, "agent/cli/main.ts"), "import", "-q", input, "big"], {
      env: { LIGHTV_ROOT: root },
    });
    assert.is(code, 1, stderr);
    assert.match(stderr, /takes 3\.\d+MB, and .* left|ENOSPC.*free some space/s);
    for (const directory of ["images", "partial", "refs"])
      assert.equal(readdirSync(root).includes(directory) ? readdirSync(join(root, directory)) : [], []);
  }
});
