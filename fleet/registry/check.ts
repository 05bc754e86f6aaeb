/** Checks a `.lv` file whole: header, manifest, chunk table, every chunk. What passes is what its digest says. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { LightvError } from "#agent/lib/errors.ts";
import { Digest, Timestamp } from "#agent/wire/protocol/common.ts";
import { broken, HEADER_BYTES, type Header, parseHeader } from "./header.ts";

const CHUNK_ENTRY_BYTES = 48;
const MAX_CHUNK_BYTES = 1024 * 1024;
/** 48 bytes a chunk of 64 KiB: 4 GiB of table would be an image of 5 TiB. */
const MAX_TABLE_BYTES = 256 * 1024 * 1024;

const Manifest = Type.Object({
  schemaVersion: Type.Literal(1),
  name: Type.String({ minLength: 1, maxLength: 512 }),
  os: Type.Literal("linux"),
  architecture: Type.String({ minLength: 1, maxLength: 32 }),
  created: Timestamp,
  config: Type.Record(Type.String(), Type.Unknown()),
  erofs: Type.Object({ blockSize: Type.Literal(4096), size: Type.Integer() }),
  chunks: Type.Object({ count: Type.Integer(), digest: Digest, size: Type.Integer() }),
});
type Manifest = Static<typeof Manifest>;

export interface CheckedImage {
  readonly digest: string;
  readonly name: string;
  readonly size: number;
  readonly architecture: string;
  readonly created: string;
  readonly config: Record<string, unknown>;
}

/** Throws LV_IMAGE_BROKEN, or LV_IMAGE_DIGEST when a part is not what the manifest says. `onProgress` gets bytes checked. */
export async function checkImage(
  file: FileHandle,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<CheckedImage> {
  const { size } = await file.stat();
  const header = parseHeader(await readAt(file, 0, Math.min(HEADER_BYTES, size)), size);
  const bytes = await readAt(file, header.manifest.offset, header.manifest.length);
  const manifest = parseManifest(bytes);
  await checkChunks(file, header, manifest, onProgress);
  await checkPadding(file, header, size);
  return {
    digest: `sha256:${sha256(bytes)}`,
    name: manifest.name,
    size,
    architecture: manifest.architecture,
    created: manifest.created,
    config: manifest.config,
  };
}

function parseManifest(bytes: Buffer): Manifest {
  let value: unknown;
  const text = bytes.toString("utf8");
  try {
    value = JSON.parse(text);
  } catch {
    throw broken("the manifest is not JSON");
  }
  // Sorted keys, no white space, no key twice: written again in the one right way it must be the same bytes.
  if (!Buffer.from(canonical(value)).equals(bytes)) throw broken("the manifest is not in its canonical form");
  if (Value.Check(Manifest, value)) return value;
  const [first] = Value.Errors(Manifest, value);
  throw broken(`the manifest at ${first?.instancePath || "/"} ${first?.message ?? "does not fit"}`);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(",")}}`;
}

async function checkChunks(
  file: FileHandle,
  { erofs, chunks }: Header,
  manifest: Manifest,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  if (manifest.erofs.size !== erofs.length) throw broken("the manifest and the header differ in the size of the file system");
  if (
    manifest.chunks.size !== chunks.length ||
    manifest.chunks.count * CHUNK_ENTRY_BYTES !== chunks.length ||
    chunks.length > MAX_TABLE_BYTES
  )
    throw broken("the manifest and the header differ in the size of the chunk table");
  const table = await readAt(file, chunks.offset, chunks.length);
  if (`sha256:${sha256(table)}` !== manifest.chunks.digest) throw differs("the chunk table");
  let at = HEADER_BYTES;
  for (let entry = 0; entry < table.length; entry += CHUNK_ENTRY_BYTES) {
    const offset = table.readBigUInt64LE(entry);
    const length = table.readUInt32LE(entry + 8);
    if (
      offset !== BigInt(at) ||
      length < 1 ||
      length > MAX_CHUNK_BYTES ||
      at + length > erofs.length ||
      table.readUInt32LE(entry + 12) !== 0
    )
      throw broken(`chunk ${entry / CHUNK_ENTRY_BYTES} is out of order`);
    const chunk = await readAt(file, at, length);
    if (
      !createHash("sha256")
        .update(chunk)
        .digest()
        .equals(table.subarray(entry + 16, entry + 48))
    )
      throw differs(`the content at byte ${at} (chunk ${entry / CHUNK_ENTRY_BYTES})`);
    at += length;
    onProgress(at, erofs.length);
  }
  if (at !== erofs.length) throw broken("the chunks do not cover the file system");
}

/** Behind the last section there are only the zeros that round the file up to a block. */
async function checkPadding(file: FileHandle, { erofs, manifest, chunks }: Header, size: number): Promise<void> {
  const end = Math.max(...[erofs, manifest, chunks].map((section) => section.offset + section.length));
  if (size % 4096 !== 0) throw broken("its size is not a multiple of 4,096");
  if (size - end >= 4096) return;
  if ((await readAt(file, end, size - end)).some((byte) => byte !== 0)) throw broken("there is something behind its last section");
}

function differs(what: string): LightvError {
  return new LightvError("LV_IMAGE_DIGEST", `${what} is not what the image's digest says`, {
    hint: "the file is damaged: push the original",
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) throw broken("it ends too early");
    done += bytesRead;
  }
  return buffer;
}
