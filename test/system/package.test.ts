/** What `npm run package` gives for both platforms, as a whole: sizes, contents, that it is reproducible, and that ARM64 runs. */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { buildNative } from "../../cross-build/native.ts";
import { walk } from "../../cross-build/package/archive.ts";
import { readCommit } from "../../cross-build/package/commit.ts";
import { TARGETS } from "../../cross-build/package/targets.ts";
import { run, runBytes } from "../../cross-build/run.ts";
import manifest from "../../package.json" with { type: "json" };

const test = suite("package");
const top = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const directory = mkdtempSync(join(tmpdir(), "lightv-package-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));
const LONG = { timeoutMs: 14 * 60_000 };
const { version } = manifest;
const [first, second] = [join(directory, "first"), join(directory, "second")];
const commit = readCommit(top, process.env.SOURCE_DATE_EPOCH);

function makePackages(output: string, ...flags: string[]): string {
  return run(process.execPath, [join(top, "cross-build", "package.ts"), "--output", output, ...flags]);
}

/** A package unpacked; each once. */
function unpacked(architecture: string): string {
  const target = join(directory, architecture);
  run("dpkg-deb", ["--extract", join(first, `lightv_${version}_${architecture}.deb`), target]);
  return target;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test(
  "one command gives everything for both platforms, within the size bars",
  () => {
    const told = makePackages(first);
    for (const { architecture } of TARGETS) assert.match(told, new RegExp(`${architecture}  installed +\\d+\\.\\d+ MB`));
    const expected = TARGETS.flatMap(({ architecture }) => [
      `lightv_${version}_${architecture}.deb`,
      `lightv_${version}_${architecture}.cdx.json`,
      `lightv-${version}-linux-${architecture}.tar.zst`,
      `lightv-${version}-linux-${architecture}.cdx.json`,
      `lightv-agent-${version}-${architecture}.lv`,
      `lightv-agent-${version}-${architecture}.cdx.json`,
    ]);
    assert.equal(
      readdirSync(first).sort(),
      [...expected, `lightv-fleet_${version}_all.cdx.json`, `lightv-fleet_${version}_all.deb`].sort(),
    );
  },
  LONG,
);

test(
  "made again, what is in the packages is the same to the byte",
  () => {
    makePackages(second, "--quick");
    // Somebody who works in the tree meanwhile makes other packages.
    assert.equal(readCommit(top, process.env.SOURCE_DATE_EPOCH), commit, "the tree has changed since the first packages");
    for (const name of readdirSync(first)) {
      if (name.endsWith(".tar.zst")) continue; // the same tree as the .deb's, and compressed less the second time
      const content = (output: string): Buffer =>
        name.endsWith(".deb") ? runBytes("dpkg-deb", ["--fsys-tarfile", join(output, name)]) : readFileSync(join(output, name));
      assert.is(sha256(content(second)), sha256(content(first)), name);
    }
  },
  LONG,
);

test(
  "compiled from nothing in another directory, the programs are the same to the byte",
  () => {
    const built = join(directory, "a-path-of-another-length");
    process.env.CCACHE_DISABLE = "1";
    buildNative(top, "arm64", { directory: built, buildTime: commit.epoch });
    for (const name of ["lightv", "lightv.node"])
      assert.is(sha256(readFileSync(join(built, name))), sha256(readFileSync(join(top, "build", "arm64", name))), name);
  },
  LONG,
);

test(
  "the archive has what the package has",
  () => {
    for (const { architecture } of TARGETS) {
      const name = `lightv-${version}-linux-${architecture}`;
      const listed = run("tar", ["--zstd", "-tf", join(first, `${name}.tar.zst`)]).split("\n");
      const files = listed.filter((path) => path !== "" && !path.endsWith("/")).map((path) => path.slice(name.length + 1));
      const root = unpacked(architecture);
      const packaged = [...walk(root)].filter((path) => !path.includes("lintian"));
      for (const path of files) assert.ok(packaged.includes(path.startsWith("etc/") ? path : `usr/${path}`), path);
    }
  },
  LONG,
);

test("no path of this machine is in the programs", () => {
  for (const { architecture } of TARGETS) {
    for (const file of ["usr/bin/lightv", "usr/lib/lightv/lightv.node", "usr/lib/lightv/lightvd.mjs", "usr/lib/lightv/release.json"])
      assert.is(readFileSync(join(directory, architecture, file)).indexOf(top), -1, `${architecture} ${file}`);
  }
});

test(
  "the ARM64 programs run: the command, the addon in its Node, the agent",
  () => {
    const target = TARGETS.find(({ architecture }) => architecture === "arm64");
    const [emulator = "", ...args] = target?.emulator ?? [];
    const root = join(directory, "arm64");
    const node = join(root, "usr/lib/lightv/node");
    // Without the libraries of the emulator's root: the command is static.
    assert.match(run("qemu-aarch64-static", [join(root, "usr/bin/lightv"), "version"]), new RegExp(`^Version: +${version}\n`));
    const script = "process.stdout.write(Object.keys(require(process.argv[1])).sort().join() + process.arch)";
    assert.match(run(emulator, [...args, node, "-e", script, join(root, "usr/lib/lightv/lightv.node")]), /openEngine,.*arm64$/);
    assert.is(run(emulator, [...args, node, join(root, "usr/lib/lightv/lightvd.mjs"), "--version"]), `lightvd ${version}\n`);
  },
  LONG,
);

test(
  "lintian finds nothing",
  () => {
    const packages = readdirSync(first).filter((name) => name.endsWith(".deb"));
    assert.is(run("lintian", ["--allow-root", "--fail-on=error,warning", ...packages.map((name) => join(first, name))]), "");
  },
  LONG,
);
