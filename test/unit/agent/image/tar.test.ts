/** Hostile and odd archives: each is read right or refused with the byte that is wrong. tar-stream writes the sound ones. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import * as assert from "uvu/assert";
import { collect } from "#agent/image/bytes.ts";
import { unpack } from "#agent/image/decompress.ts";
import { parsePaxTime } from "#agent/image/tar/pax.ts";
import { readTar, type TarEntry } from "#agent/image/tar/read.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/image/tar");

async function archive(entries: readonly (readonly [Partial<Header> & { name: string }, string?])[]): Promise<Buffer> {
  const packing = pack();
  for (const [header, content] of entries) packing.entry(header, content ?? "");
  packing.finalize();
  return collect(packing as AsyncIterable<Uint8Array>, 1 << 24, "archive");
}

async function* pieces(bytes: Buffer, size = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, size?: number): Promise<(Omit<TarEntry, "data"> & { content: string })[]> {
  const found: (Omit<TarEntry, "data"> & { content: string })[] = [];
  for await (const entry of readTar(pieces(bytes, size), true)) {
    const content = (await collect(entry.data(), 1 << 24, "data")).toString("latin1");
    found.push({ ...entry, content });
  }
  return found;
}

async function refused(bytes: Buffer, pattern: RegExp): Promise<void> {
  const error = await read(bytes).then(
    () => undefined,
    (e: unknown) => e,
  );
  assert.ok(isLightvError(error, "LV_USAGE"), `expected a refusal for ${pattern}, got ${error}`);
  assert.match((error as Error).message, pattern);
}

/** A header block by hand, with a right checksum. */
function block(fields: Readonly<Record<number, string | Buffer>>): Buffer {
  const bytes = Buffer.alloc(512);
  for (const [at, value] of Object.entries({ 100: "0000644", 124: "00000000000", 257: "ustar\x0000", ...fields }))
    bytes.set(Buffer.from(value as string, "latin1"), Number(at));
  bytes.fill(0x20, 148, 156);
  const sum = bytes.reduce((all, byte) => all + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

const END = Buffer.alloc(1024);

function paxBlock(...records: readonly Buffer[]): Buffer {
  const body = Buffer.concat(records);
  const padding = Buffer.alloc((512 - (body.length % 512)) % 512);
  return Buffer.concat([block({ 0: "pax", 124: body.length.toString(8).padStart(11, "0"), 156: "x" }), body, padding]);
}

function record(key: string, value: Buffer | string): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

test("what another program has packed is read, in pieces of any size", async () => {
  const name = `${"long/".repeat(60)}name`;
  const bytes = await archive([
    [{ name: "a", mode: 0o4755, uid: 7, gid: 8, mtime: new Date(5000) }, "hello"],
    [{ name, type: "directory" }],
    [{ name: "ä", type: "symlink", linkname: "x" }],
  ]);
  for (const size of [1, 7, 512, 1 << 20]) {
    const [a, b, c] = await read(bytes, size);
    assert.equal([a?.name, a?.content, a?.mode, a?.uid, a?.gid, a?.mtime], ["a", "hello", 0o4755, 7, 8, 5]);
    assert.equal([b?.name.replace(/\/$/, ""), b?.type], [name, "5"]);
    assert.equal([Buffer.from(c?.name ?? "", "latin1").toString(), c?.linkName], ["ä", "x"]);
  }
});

test("an archive that is cut off anywhere is refused", async () => {
  const bytes = await archive([
    [{ name: "a" }, "x".repeat(700)],
    [{ name: `${"l/".repeat(90)}ong` }, "y"],
  ]);
  for (let length = 0; length < bytes.length - 1024; length += 64) await refused(bytes.subarray(0, length), /no tar|ends in|no end mark/);
});

test("a damaged header never passes", async () => {
  const bytes = await archive([[{ name: "file" }, "content"]]);
  for (let at = 0; at < 500; at += 3) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 0x11;
    // Bytes behind a checksum's digits are not looked at by anybody.
    if (at >= 154 && at < 156) continue;
    await refused(damaged, /checksum|octal/);
  }
});

test("extended attributes and names stay bytes", async () => {
  const value = Buffer.from([1, 0, 0, 2, 0xff, 0x80, 0x0a, 0x3d]);
  const bytes = Buffer.concat([
    paxBlock(record("SCHILY.xattr.security.capability", value), record("path", Buffer.from([0xff, 0x41]))),
    block({ 0: "x" }),
    END,
  ]);
  const [entry] = await read(bytes);
  assert.ok(entry?.xattrs.get("security.capability")?.equals(value));
  assert.is(entry?.name, "\xffA");
});

test("sizes beyond octal, times before 1970 and hostile lengths", async () => {
  const negative = Buffer.alloc(12, 0xff);
  const [entry] = await read(Buffer.concat([block({ 0: "old", 136: negative }), END]));
  assert.is(entry?.mtime, -1);
  const huge = Buffer.from([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  await refused(Buffer.concat([block({ 0: "huge", 124: huge }), END]), /beyond all bounds/);
  await refused(Buffer.concat([block({ 0: "negative", 124: negative }), END]), /negative size/);
  await refused(Buffer.concat([block({ 0: "big", 124: "77777777777" }), END]), /ends in the middle/);
  await refused(Buffer.concat([block({ 0: "p", 124: "00100000000", 156: "x" }), END]), /extended header of/);
  await refused(Buffer.concat([paxBlock(Buffer.from("99 path=x\n")), block({ 0: "x" }), END]), /PAX record/);
  await refused(Buffer.concat([paxBlock(record("size", "-5")), block({ 0: "x" }), END]), /not a size/);
  await refused(Buffer.concat([paxBlock(record("mtime", "now")), block({ 0: "x" }), END]), /not a time/);
  await refused(Buffer.concat([block({ 0: "x", 108: "zz" }), END]), /octal/);
});

test("times of PAX are exact", () => {
  assert.equal(parsePaxTime("1.5", 0), { mtime: 1, mtimeNs: 500_000_000 });
  assert.equal(parsePaxTime("-1.5", 0), { mtime: -2, mtimeNs: 500_000_000 });
  assert.equal(parsePaxTime("1700000000.1234567891", 0), { mtime: 1_700_000_000, mtimeNs: 123_456_789 });
});

test("sparse files with wrong maps are refused, right ones have their size", async () => {
  const sparse = (map: string, size: string, data: string): Buffer =>
    Buffer.concat([
      paxBlock(
        record("GNU.sparse.size", size),
        record("GNU.sparse.map", map),
        record("GNU.sparse.numblocks", "1"),
        record("size", String(data.length)),
      ),
      block({ 0: "sparse" }),
      Buffer.from(data.padEnd(512, "\0")),
      END,
    ]);
  const [entry] = await read(sparse("1000,4", "5000", "data"));
  assert.equal(entry?.sparse, { size: 5000, pieces: [{ offset: 1000, length: 4 }] });
  await refused(sparse("4998,4", "5000", "data"), /overlap or lie outside/);
  await refused(sparse("10,4,12,4", "5000", "datadata"), /overlap/);
  await refused(sparse("10,3", "5000", "data"), /differ in length/);
});

test("packings are told by their bytes; truncated ones are refused", async () => {
  const plain = Buffer.from("x".repeat(100_000));
  for (const packed of [gzipSync(plain), zstdCompressSync(plain), plain]) {
    const { bytes } = await unpack(pieces(packed, 11), "it");
    assert.ok((await collect(bytes, 1 << 20, "it")).equals(plain));
  }
  for (const packed of [gzipSync(plain), zstdCompressSync(plain)]) {
    const { bytes } = await unpack(pieces(packed.subarray(0, packed.length - 5)), "it");
    const error = await collect(bytes, 1 << 20, "it").then(
      () => undefined,
      (e: unknown) => e,
    );
    assert.ok(isLightvError(error, "LV_USAGE"), String(error));
  }
});
