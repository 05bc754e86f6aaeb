/** The header of a `.lv` file (docs/image-format.md). What is read is hostile until it has passed here. */
import { LightvError } from "#agent/lib/errors.ts";
import { crc32c } from "./crc32c.ts";

export const HEADER_BYTES = 1024;
export const BLOCK_BYTES = 4096;
export const CHUNK_ENTRY_BYTES = 48;
export const MAX_CHUNK_BYTES = 1024 * 1024;
const MAX_MANIFEST = 1024 * 1024;
const MAGIC: readonly number[] = [0x89, 0x4c, 0x56, 0x0d, 0x0a, 0x1a, 0x0a, 0x00];
const MAX_SECTIONS = 16;
const SECTIONS_AT = 32;
const SECTION_BYTES = 32;
const TYPES = { erofs: 1, manifest: 2, chunks: 3, signatures: 4 } as const;
const OPTIONAL = 1;

export interface Section {
  readonly offset: number;
  readonly length: number;
}

export interface Header {
  readonly fileSize: number;
  readonly erofs: Section;
  readonly manifest: Section;
  readonly chunks: Section;
}

export function broken(why: string): LightvError {
  return new LightvError("LV_IMAGE_BROKEN", `not a sound .lv image: ${why}`, { hint: "build or fetch it again" });
}

/** Where the sections of an image lie whose parts have these lengths. */
export function layOut(erofs: number, manifest: number, chunks: number): Header {
  const chunksAt = Math.ceil((erofs + manifest) / 8) * 8;
  return {
    fileSize: Math.ceil((chunksAt + chunks) / BLOCK_BYTES) * BLOCK_BYTES,
    erofs: { offset: 0, length: erofs },
    manifest: { offset: erofs, length: manifest },
    chunks: { offset: chunksAt, length: chunks },
  };
}

export function encodeHeader(header: Header): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.set(MAGIC);
  bytes.writeUInt16LE(1, 8);
  bytes.writeUInt32LE(HEADER_BYTES, 12);
  bytes.writeUInt32LE(3, 20);
  bytes.writeBigUInt64LE(BigInt(header.fileSize), 24);
  for (const [index, name] of (["erofs", "manifest", "chunks"] as const).entries()) {
    const at = SECTIONS_AT + index * SECTION_BYTES;
    bytes.writeUInt32LE(TYPES[name], at);
    bytes.writeBigUInt64LE(BigInt(header[name].offset), at + 8);
    bytes.writeBigUInt64LE(BigInt(header[name].length), at + 16);
  }
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 1020)), 1020);
  return bytes;
}

/** Every rule of the format's header. The caller compares `fileSize` with the real one. Throws LV_IMAGE_BROKEN. */
export function parseHeader(bytes: Buffer): Header {
  if (bytes.length < HEADER_BYTES) throw broken(`only ${bytes.length} bytes long`);
  if (MAGIC.some((byte, index) => bytes[index] !== byte)) throw broken("it does not begin with the magic of a .lv file");
  if (bytes.readUInt32LE(1020) !== crc32c(bytes.subarray(0, 1020))) throw broken("the header's checksum is wrong");
  if (bytes.readUInt16LE(8) !== 1) throw broken(`format version ${bytes.readUInt16LE(8)} is not known here`);
  if (bytes.readUInt32LE(12) !== HEADER_BYTES) throw broken("the header's size is wrong");
  if (bytes.readUInt32LE(16) !== 0) throw broken("it has flags that are not known here");
  if (bytes.subarray(SECTIONS_AT + MAX_SECTIONS * SECTION_BYTES, 1020).some((byte) => byte !== 0))
    throw broken("the header's reserved bytes are not zero");
  const fileSize = safe(bytes, 24);
  return pick(parseSections(bytes, fileSize), fileSize);
}

interface Typed extends Section {
  readonly type: number;
}

function parseSections(bytes: Buffer, fileSize: number): Typed[] {
  const count = bytes.readUInt32LE(20);
  if (count < 1 || count > MAX_SECTIONS) throw broken(`${count} sections`);
  const sections: Typed[] = [];
  for (let index = 0; index < MAX_SECTIONS; index++) {
    const at = SECTIONS_AT + index * SECTION_BYTES;
    if (index < count) sections.push(parseSection(bytes, at, fileSize));
    else if (bytes.subarray(at, at + SECTION_BYTES).some((byte) => byte !== 0)) throw broken("an unused section entry is not zero");
  }
  const ordered = sections.toSorted((a, b) => a.offset - b.offset || a.length - b.length);
  for (const [index, { offset, length }] of ordered.entries()) {
    const next = ordered[index + 1];
    if (next !== undefined && offset + length > next.offset) throw broken("two sections overlap");
  }
  return sections;
}

function parseSection(bytes: Buffer, at: number, fileSize: number): Typed {
  const type = bytes.readUInt32LE(at);
  const flags = bytes.readUInt32LE(at + 4);
  const [offset, length] = [safe(bytes, at + 8), safe(bytes, at + 16)];
  if (safe(bytes, at + 24) !== 0 || (flags & ~OPTIONAL) !== 0) throw broken("a section's reserved bits are not zero");
  if (offset + length > fileSize) throw broken("a section lies outside the file");
  if (type !== TYPES.erofs && offset < BLOCK_BYTES) throw broken("a section lies in the header's block");
  if ((type < TYPES.erofs || type > TYPES.signatures) && flags !== OPTIONAL) throw broken(`a section of the unknown type ${type}`);
  return { type, offset, length };
}

function safe(bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value)) throw broken("a length in the header is beyond all bounds");
  return value;
}

function pick(sections: readonly Typed[], fileSize: number): Header {
  const one = (type: number, name: string): Section => {
    const [section, ...others] = sections.filter((candidate) => candidate.type === type);
    if (section === undefined || others.length > 0) throw broken(`${others.length === 0 ? "no" : "more than one"} ${name} section`);
    return { offset: section.offset, length: section.length };
  };
  const erofs = one(TYPES.erofs, "EROFS");
  const manifest = one(TYPES.manifest, "manifest");
  const chunks = one(TYPES.chunks, "chunk table");
  if (erofs.offset !== 0 || erofs.length < BLOCK_BYTES || erofs.length % BLOCK_BYTES !== 0) throw broken("the EROFS section is misplaced");
  if (manifest.length === 0 || manifest.length > MAX_MANIFEST) throw broken(`a manifest of ${manifest.length} bytes`);
  if (chunks.offset % 8 !== 0 || chunks.length === 0 || chunks.length % CHUNK_ENTRY_BYTES !== 0)
    throw broken("the chunk table is misplaced");
  return { fileSize, erofs, manifest, chunks };
}
