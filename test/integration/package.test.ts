/** Packages as files: the same tree gives the same bytes wherever and however it was made, and holds what it should. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { makeSmallTree } from "#test/lib/small-tree.ts";
import { suite } from "#test/lib/suite.ts";
import { walk } from "../../cross-build/package/archive.ts";
import { writeArchive, writeDebian, writeUpdate } from "../../cross-build/package/outputs.ts";
import { run } from "../../cross-build/run.ts";

const test = suite("package");
const top = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const directory = mkdtempSync(join(tmpdir(), "lightv-package-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));

const what = {
  name: "lightv",
  version: "1.2.3",
  architecture: "arm64",
  commit: "c",
  epoch: 1_700_000_000,
  npm: [],
  debian: [],
  node: { version: "26.0.0", sha256: "0".repeat(64) },
};

/** All files of a package, made from a tree that differs by `seed` in nothing that counts. */
async function pack(seed: number): Promise<string> {
  const [work, output] = [join(directory, `work-${seed}`), join(directory, `out-${seed}`)];
  const prefix = join(work, "lightv-1.2.3-linux-arm64");
  mkdirSync(output);
  makeSmallTree(prefix, seed);
  const out = { work, output, prefix, what, effort: "small" } as const;
  writeDebian(out, join(top, "cross-build", "debian", "lightv"));
  writeArchive(out);
  await writeUpdate(out, { signKey: undefined, withNode: false });
  return output;
}

const digests = (output: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(output)
      .sort()
      .map((name) => [
        name,
        createHash("sha256")
          .update(readFileSync(join(output, name)))
          .digest("hex"),
      ]),
  );

const made: string[] = [];
test.before(async () => {
  for (const seed of [1, 2]) made.push(await pack(seed));
});
const [first, second] = [() => made[0] ?? "", () => made[1] ?? ""];

test("the same tree gives the same bytes in another directory, order, umask and at another time", () => {
  assert.equal(Object.keys(digests(first())), [
    "lightv-1.2.3-linux-arm64.cdx.json",
    "lightv-1.2.3-linux-arm64.tar.zst",
    "lightv-agent-1.2.3-arm64.cdx.json",
    "lightv-agent-1.2.3-arm64.lv",
    "lightv_1.2.3_arm64.cdx.json",
    "lightv_1.2.3_arm64.deb",
  ]);
  assert.equal(digests(first()), digests(second()));
});

test("everything in a .deb is root's, with the usual modes, and the agent's configuration is not for all to read", () => {
  const lines = run("dpkg-deb", ["--contents", join(first(), "lightv_1.2.3_arm64.deb")])
    .trim()
    .split("\n");
  const rows = lines.map((line) => line.split(/\s+/));
  assert.equal([...new Set(rows.map(([, owner]) => owner))], ["root/root"]);
  const modes = Object.fromEntries(rows.map(([mode = "", , , , , path = ""]) => [path, mode]));
  assert.is(modes["./usr/bin/lightv"], "-rwxr-xr-x");
  assert.is(modes["./usr/lib/lightv/lightvd.mjs"], "-rw-r--r--");
  assert.is(modes["./usr/share/doc/lightv/"], "drwxr-xr-x");
  assert.is(modes["./etc/lightv/update-keys/"], "drwxr-xr-x");
  assert.is(modes["./etc/lightv/lightvd.conf"], "-rw-r-----");
});

test("a .deb says what it is, which files are the administrator's, and the digest of each", () => {
  const deb = join(first(), "lightv_1.2.3_arm64.deb");
  assert.match(run("dpkg-deb", ["--field", deb]), /^Package: lightv\nVersion: 1\.2\.3\nArchitecture: arm64\n/);
  const control = join(directory, "control");
  run("dpkg-deb", ["--control", deb, control]);
  assert.equal(readdirSync(control).sort(), ["conffiles", "control", "md5sums", "postinst", "postrm", "prerm"]);
  assert.is(readFileSync(join(control, "conffiles"), "utf8"), "/etc/lightv/lightvd.conf\n");
  const files = run("dpkg-deb", ["--contents", deb])
    .split("\n")
    .filter((line) => line.startsWith("-"));
  assert.is(readFileSync(join(control, "md5sums"), "utf8").trim().split("\n").length, files.length);
});

test("maintainer scripts are right shell, and refuse what they do not know", () => {
  for (const name of ["lightv", "lightv-fleet"]) {
    for (const script of ["postinst", "prerm", "postrm"]) {
      const file = join(top, "cross-build", "debian", name, script);
      run("sh", ["-n", file]);
      assert.throws(() => run("sh", [file, "no-such-step"]), /called with unknown argument 'no-such-step'/);
    }
  }
});

test("the bill of materials names Node where it is packed, and nowhere else", () => {
  const parts = (file: string): string[] => {
    const { components } = JSON.parse(readFileSync(join(first(), file), "utf8")) as { components?: { name: string }[] };
    return (components ?? []).map(({ name }) => name);
  };
  assert.equal(parts("lightv_1.2.3_arm64.cdx.json"), ["node"]);
  assert.equal(parts("lightv-agent-1.2.3-arm64.cdx.json"), []);
});

test("an update payload is an image that verifies, with the programs but without Node and configuration", () => {
  const payload = join(first(), "lightv-agent-1.2.3-arm64.lv");
  assert.match(run(join(top, "dist", "bin", "lightv"), ["verify", payload]), /: verified \d+ chunks/);
  const slot = join(directory, "slot");
  run("fsck.erofs", [`--extract=${slot}`, payload]);
  assert.equal(
    [...walk(slot)],
    ["bin", "bin/lightv", "bin/lightvd", "lib", "lib/lightv", "lib/lightv/chunks", "lib/lightv/chunks/a.mjs", "lib/lightv/lightvd.mjs"],
  );
});
