/** The bytes of the format that other implementations must reproduce: checksums, cuts, digests. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { Chunker, cutPoint, MAX_CHUNK, MIN_CHUNK } from "#agent/image/chunker.ts";
import { crc32c } from "#agent/image/crc32c.ts";
import { encodeHeader, layOut, parseHeader } from "#agent/image/header.ts";
import { encodeManifest, type Manifest, parseManifest } from "#agent/image/manifest.ts";
import { directory, PLAIN, Tree } from "#agent/image/tree.ts";
import { writeImageFile } from "#agent/image/writer.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/image/format");

/** Bytes that look random and are the same everywhere. */
function noise(length: number, seed = "noise"): Buffer {
  const pieces: Buffer[] = [];
  for (let index = 0; index * 32 < length; index++) pieces.push(createHash("sha256").update(`${seed}${index}`).digest());
  return Buffer.concat(pieces).subarray(0, length);
}

function cuts(bytes: Buffer): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length; at += lengths.at(-1) ?? 0) lengths.push(cutPoint(bytes, at, bytes.length));
  return lengths;
}

function isBroken(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    return isLightvError(error, "LV_IMAGE_BROKEN");
  }
}

test("CRC-32C is that of RFC 3720, B.4", () => {
  assert.is(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.is(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.is(crc32c(Buffer.from(Array.from({ length: 32 }, (_, index) => index))), 0x46dd794e);
  assert.is(crc32c(Buffer.from("123456789")), 0xe3069283);
});

test("cuts keep to their bounds, and an edit moves only those near it", () => {
  const before = noise(4_000_000);
  const after = Buffer.concat([before.subarray(0, 2_000_000), Buffer.from("an edit"), before.subarray(2_000_000)]);
  const lengths = cuts(before);
  assert.ok(lengths.slice(0, -1).every((length) => length > MIN_CHUNK && length <= MAX_CHUNK));
  const mean = before.length / lengths.length;
  assert.ok(mean > 50_000 && mean < 100_000, `the mean chunk has ${mean} bytes`);
  const hashes = (bytes: Buffer): Set<string> => {
    let at = 0;
    const found = new Set<string>();
    for (const length of cuts(bytes)) {
      found.add(
        createHash("sha256")
          .update(bytes.subarray(at, at + length))
          .digest("hex"),
      );
      at += length;
    }
    return found;
  };
  const known = hashes(before);
  assert.ok([...hashes(after)].filter((hash) => !known.has(hash)).length <= 3);
});

test("the chunk table does not depend on the pieces that the data comes in", () => {
  const bytes = noise(1_500_000);
  const tables = [1, 1000, 65_536, 2_000_000].map((piece) => {
    const chunker = new Chunker(1024);
    for (let at = 0; at < bytes.length; at += piece === 1 ? 70_001 : piece)
      chunker.push(bytes.subarray(at, at + (piece === 1 ? 70_001 : piece)));
    return createHash("sha256").update(chunker.finish()).digest("hex");
  });
  assert.is(new Set(tables).size, 1);
});

test("a header is read back, and each of its bits matters", () => {
  const header = layOut(8192, 300, 96);
  const bytes = encodeHeader(header);
  assert.equal(parseHeader(bytes), header);
  for (let bit = 0; bit < 1024 * 8; bit += 7) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(
      isBroken(() => parseHeader(damaged)),
      `bit ${bit} may be flipped`,
    );
  }
});

test("a manifest is taken in its canonical form only", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const manifest: Manifest = {
    schemaVersion: 1,
    name: "a:1",
    os: "linux",
    architecture: "amd64",
    created: "2024-01-01T00:00:00Z",
    config: { Env: ["A=ä"] },
    erofs: { blockSize: 4096, size: 8192 },
    chunks: { count: 1, digest, size: 48 },
  };
  const bytes = encodeManifest(manifest);
  assert.equal(parseManifest(bytes), manifest);
  const text = bytes.toString();
  const wrong = [
    text.replace(",", ", "),
    text.replace('"os":"linux"', '"os":"linux","os":"linux"'),
    text.replace("8192", "8192.0"),
    `${text}\n`,
    text.replace('"name"', '"namf"'),
    "[]",
    "",
  ];
  for (const other of wrong)
    assert.ok(
      isBroken(() => parseManifest(Buffer.from(other))),
      other,
    );
});

test("a small tree has always had this digest", async (t) => {
  const place = mkdtempSync(join(tmpdir(), "lightv-golden-"));
  t.cleanup(() => rmSync(place, { recursive: true, force: true }));
  const tree = new Tree();
  tree.put("/etc", directory({ ...PLAIN, mtime: 1_700_000_000, mtimeNs: 5 }));
  tree.put("/etc/empty", { ...PLAIN, mode: 0o600, uid: 1000, kind: "file", content: { path: "/dev/null", offset: 0, length: 0 } });
  tree.put("/etc/link", { ...PLAIN, kind: "symlink", target: "empty" });
  tree.link("/hard", "/etc/empty");
  tree.put("/null", { ...PLAIN, kind: "char", major: 1, minor: 3, xattrs: new Map([["user.a", Buffer.from([0, 255])]]) });
  const description = { name: "golden:1", architecture: "amd64", created: "2023-11-14T22:13:20Z", config: { Cmd: ["/x"] } };
  const file = join(place, "golden.lv");
  const image = await writeImageFile(`${file}.new`, () => file, tree, description);
  assert.is(image.digest, "sha256:8087a4333d1859ec21e1c3e68f11b8fe314436c4fc88abf003a6f2019d635af5");
  assert.is(
    createHash("sha256").update(readFileSync(file)).digest("hex"),
    "296ed7ef0a01607f3b5b07fdfce09939ff954b2281fb601f5cb46b2ed8200a35",
  );
});
