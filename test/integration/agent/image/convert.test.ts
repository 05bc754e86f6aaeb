/** `lightv convert` over OCI layouts and docker archives made here, and `lightv import` of what is wrong. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { pack } from "tar-stream";
import * as assert from "uvu/assert";
import { runCli } from "#agent/cli/run.ts";
import { collect } from "#agent/image/bytes.ts";
import { hostArchitecture } from "#agent/image/platform.ts";
import { readImageHead } from "#agent/image/reader.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/image/convert");
const HOST = hostArchitecture();

function scratch(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "lightv-convert-"));
  t.cleanup(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command in this process, on a root of its own. */
async function cli(t: TestContext, root: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let unique = 0;
  const context = {
    env: { LIGHTV_ROOT: root, ...env },
    stdin: Readable.from([]),
    stdout,
    stderr,
    signal: t.signal,
    newId: () => String(unique++),
    now: () => 0,
  };
  const code = await runCli(args, context);
  stdout.end();
  stderr.end();
  return {
    code,
    stdout: (await collect(stdout, 1 << 20, "stdout")).toString(),
    stderr: (await collect(stderr, 1 << 20, "stderr")).toString(),
  };
}

async function tar(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const packing = pack();
  for (const [name, content] of Object.entries(files)) packing.entry({ name, mtime: new Date(0) }, content);
  packing.finalize();
  return collect(packing as AsyncIterable<Uint8Array>, 1 << 24, "tar");
}

const sha = (bytes: Buffer | string): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

class LayoutMaker {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(join(directory, "blobs", "sha256"), { recursive: true });
    writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  }

  blob(bytes: Buffer | string, mediaType: string): { mediaType: string; digest: string; size: number } {
    writeFileSync(this.path(sha(bytes)), bytes);
    return { mediaType, digest: sha(bytes), size: Buffer.byteLength(bytes) };
  }

  path(digest: string): string {
    return join(this.directory, "blobs", "sha256", digest.slice(7));
  }

  image(layers: readonly Buffer[], architecture = HOST, pack_: (bytes: Buffer) => Buffer = gzipSync) {
    const config = {
      architecture,
      os: "linux",
      config: { Cmd: ["/run"], Env: ["A=1"], Volumes: null, Hostname: "x" },
      rootfs: { type: "layers", diff_ids: layers.map(sha) },
    };
    const manifest = {
      schemaVersion: 2,
      config: this.blob(JSON.stringify(config), "application/vnd.oci.image.config.v1+json"),
      layers: layers.map((layer) => this.blob(pack_(layer), "application/vnd.oci.image.layer.v1.tar+gzip")),
    };
    return {
      ...this.blob(JSON.stringify(manifest), "application/vnd.oci.image.manifest.v1+json"),
      platform: { os: "linux", architecture },
    };
  }

  index(manifests: readonly object[]): void {
    writeFileSync(join(this.directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  }
}

/** The digest of the same tree, imported from one tar. */
async function imported(t: TestContext, place: string, files: Readonly<Record<string, string>>): Promise<Buffer> {
  writeFileSync(join(place, "flat.tar"), await tar(files));
  const file = join(place, "flat.lv");
  const { code, stderr } = await cli(t, place, [
    "import",
    "-o",
    file,
    "-c",
    'CMD ["/run"]',
    "-c",
    "ENV A=1",
    join(place, "flat.tar"),
    "x:1",
  ]);
  assert.is(code, 0, stderr);
  return readFileSync(file);
}

test("layers of any packing give the image of their merged tree", async (t) => {
  const place = scratch(t);
  const flat = await imported(t, place, { "d/new": "new", keep: "2" });
  const layers = [
    await tar({ "d/old": "old", keep: "1", gone: "x" }),
    await tar({ "d/.wh..wh..opq": "", "d/new": "new", ".wh.gone": "", keep: "2" }),
  ];
  for (const [name, packing] of [
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
    ["plain", (bytes: Buffer) => bytes],
  ] as const) {
    const maker = new LayoutMaker(join(place, name));
    maker.index([
      maker.image(layers, "s390x"),
      { ...maker.image(layers, HOST, packing), annotations: { "org.opencontainers.image.ref.name": "v1" } },
    ]);
    const file = join(place, `${name}.lv`);
    const { code, stderr } = await cli(t, place, ["convert", "-o", file, `oci:${maker.directory}`, "x:1"]);
    assert.is(code, 0, stderr);
    assert.ok(readFileSync(file).equals(flat), `${name}: not the image of the merged tree`);
    assert.is((await cli(t, place, ["convert", "-o", file, `oci:${maker.directory}:v1`, "x:1"])).code, 0);
    const head = await readImageHead(file);
    assert.equal(head.manifest.config, { Cmd: ["/run"], Env: ["A=1"] });
  }
});

test("what is damaged, missing or for another platform is named, and nothing is left behind", async (t) => {
  const place = scratch(t);
  const root = join(place, "root");
  const maker = new LayoutMaker(join(place, "oci"));
  const layer = await tar({ a: "1" });
  const image = maker.image([layer]);
  const fails = async (args: readonly string[], pattern: RegExp): Promise<void> => {
    const { code, stderr } = await cli(t, root, ["convert", ...args]);
    assert.is(code, 1, stderr);
    assert.match(stderr, pattern);
    for (const directory of ["images", "refs", "partial"])
      assert.equal(existsSync(join(root, directory)) ? readdirSync(join(root, directory)) : [], []);
  };
  const place_ = `oci:${maker.directory}`;
  await fails([place_, "x"], /no OCI image layout/);
  maker.index([image, { ...image, platform: { os: "linux", architecture: "s390x" } }]);
  await fails(["--platform", "linux/riscv64", place_, "x"], /no image for linux\/riscv64.*s390x/);
  await fails([`${place_}:nope`, "x"], /no image with the tag nope/);
  await fails([place_], /needs a name/);
  await fails(["zip:x", "x"], /no input that convert knows/);
  const packed = maker.path(sha(gzipSync(layer)));
  const sound = readFileSync(packed);
  writeFileSync(packed, gzipSync(await tar({ a: "2" })));
  await fails([place_, "x"], /is not what its digest|bytes, and should have/);
  writeFileSync(packed, sound.subarray(0, sound.length - 6));
  await fails([place_, "x"], /can't be unpacked|bytes, and should have/);
  rmSync(packed);
  await fails([place_, "x"], /can't be read/);
});

test("a docker archive gives the same image, its files in any order", async (t) => {
  const place = scratch(t);
  const flat = await imported(t, place, { a: "1", b: "2" });
  const layers = [await tar({ a: "1", c: "3" }), await tar({ b: "2", ".wh.c": "" })];
  const config = JSON.stringify({
    architecture: HOST,
    os: "linux",
    config: { Cmd: ["/run"], Env: ["A=1"] },
    rootfs: { type: "layers", diff_ids: layers.map(sha) },
  });
  const manifest = JSON.stringify([{ Config: "c.json", RepoTags: ["x:1"], Layers: ["1/layer.tar", "2/layer.tar"] }]);
  const saved = await tar({ "2/layer.tar": layers[1] ?? "", "1/layer.tar": layers[0] ?? "", "manifest.json": manifest, "c.json": config });
  for (const bytes of [saved, gzipSync(saved)]) {
    writeFileSync(join(place, "saved"), bytes);
    const file = join(place, "out.lv");
    const { code, stderr } = await cli(t, place, ["convert", "-o", file, `docker-archive:${join(place, "saved")}`, "x:1"]);
    assert.is(code, 0, stderr);
    assert.ok(readFileSync(file).equals(flat));
  }
});

test("import names the image in the store, holds times down, and refuses what is broken", async (t) => {
  const place = scratch(t);
  const root = join(place, "root");
  const good = await tar({ a: "1" });
  writeFileSync(join(place, "a.tar"), good);
  writeFileSync(join(place, "cut.tar"), good.subarray(0, 700));
  writeFileSync(join(place, "text"), "hello".repeat(200));
  const { code, stdout } = await cli(t, root, ["import", join(place, "a.tar"), "a"], { SOURCE_DATE_EPOCH: "86400" });
  assert.is(code, 0);
  assert.is(readFileSync(join(root, "refs", "a:latest"), "utf8"), stdout);
  const file = join(root, "images", `${stdout.trim().replace(":", "-")}.lv`);
  assert.is((await readImageHead(file)).manifest.created, "1970-01-01T00:00:00Z");
  for (const [args, expected, pattern] of [
    [["import", join(place, "cut.tar"), "b"], 1, /tar archive is broken/],
    [["import", join(place, "text"), "b"], 1, /tar archive is broken/],
    [["import", join(place, "none"), "b"], 1, /can't read/],
    [["import", place, "B"], 1, /is not a name/],
    [["import", "--change", "RUN x", place, "b"], 1, /RUN/],
    [["import", "--nope"], 125, /unknown option/],
    [["import"], 1, /missing required argument/],
  ] as const) {
    const ran = await cli(t, root, args);
    assert.is(ran.code, expected, ran.stderr);
    assert.match(ran.stderr, pattern);
  }
  assert.equal(readdirSync(join(root, "partial")), []);
  assert.equal(readdirSync(join(root, "images")).length, 1);
});
