/** The header of a `.lv` file (docs/image-format.md): everything in it is hostile until it has passed here. */
import { LightvError } from "#agent/lib/errors.ts";

export const HEADER_BYTES = 1024;
const MAGIC = Buffer.from([0x89, 0x4c, 0x56, 0x0d, 0x0a, 0x1a, 0x0a, 0x00]);
const BLOCK = 4096;
const MAX_SECTIONS = 16;
const MAX_MANIFEST_BYTES = 1024 * 1024;
const CHUNK_ENTRY_BYTES = 48;
const OPTIONAL = 1;
const [EROFS, MANIFEST, CHUNKS] = [1, 2, 3];

export interface Section {
  readonly offset: number;
  readonly length: number;
}

export interface Header {
  readonly erofs: Section;
  readonly manifest: Section;
  readonly chunks: Section;
}

export function broken(why: string): LightvError {
  return new LightvError("LV_IMAGE_BROKEN", `not a sound .lv image: ${why}`, { hint: "build it again, or push the original file" });
}

/** `fileSize` is the real one. Throws LV_IMAGE_BROKEN. */
export function parseHeader(bytes: Buffer, fileSize: number): Header {
  if (bytes.length < HEADER_BYTES) throw broken(`only ${bytes.length} bytes long`);
  if (!bytes.subarray(0, 8).equals(MAGIC)) throw broken("it does not begin with the magic of a .lv file");
  if (bytes.readUInt32LE(1020) !== crc32c(bytes.subarray(0, 1020))) throw broken("the header's checksum is wrong");
  if (bytes.readUInt16LE(8) !== 1) throw broken(`format version ${bytes.readUInt16LE(8)} is not known here`);
  if (bytes.readUInt32LE(12) !== HEADER_BYTES) throw broken("the header's size is wrong");
  if (bytes.readUInt32LE(16) !== 0) throw broken("it has flags that are not known here");
  const size = bytes.readBigUInt64LE(24);
  if (size !== BigInt(fileSize)) throw broken(`it says it has ${size} bytes, and has ${fileSize}`);
  if (bytes.subarray(544, 1020).some((byte) => byte !== 0)) throw broken("the header's reserved bytes are not zero");
  return pick(parseSections(bytes, fileSize));
}

interface Typed extends Section {
  readonly type: number;
}

function parseSections(bytes: Buffer, fileSize: number): Typed[] {
  const count = bytes.readUInt32LE(20);
  if (count < 1 || count > MAX_SECTIONS) throw broken(`${count} sections`);
  const sections: Typed[] = [];
  for (let index = 0; index < MAX_SECTIONS; index += 1) {
    const entry = bytes.subarray(32 + index * 32, 64 + index * 32);
    if (index >= count) {
      if (entry.some((byte) => byte !== 0)) throw broken("an unused section entry is not zero");
      continue;
    }
    const type = entry.readUInt32LE(0);
    const flags = entry.readUInt32LE(4);
    const offset = Number(entry.readBigUInt64LE(8));
    const length = Number(entry.readBigUInt64LE(16));
    if (entry.readBigUInt64LE(24) !== 0n || (flags & ~OPTIONAL) !== 0) throw broken("a section's reserved bits are not zero");
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset + length > fileSize)
      throw broken("a section lies outside the file");
    if (type !== EROFS && offset < BLOCK) throw broken("a section lies in the header's block");
    if (type === 0 || (type > 4 && flags !== OPTIONAL)) throw broken(`a section of the unknown type ${type}`);
    sections.push({ type, offset, length });
  }
  const ordered = sections.toSorted((a, b) => a.offset - b.offset || a.length - b.length);
  for (const [index, section] of ordered.entries()) {
    const next = ordered[index + 1];
    if (next !== undefined && section.offset + section.length > next.offset) throw broken("two sections overlap");
  }
  return sections;
}

function pick(sections: readonly Typed[]): Header {
  const one = (type: number, name: string): Section => {
    const found = sections.filter((section) => section.type === type);
    const [section] = found;
    if (section === undefined || found.length > 1) throw broken(`${found.length} ${name} sections`);
    return section;
  };
  const erofs = one(EROFS ?? 1, "EROFS");
  const manifest = one(MANIFEST ?? 2, "manifest");
  const chunks = one(CHUNKS ?? 3, "chunk table");
  if (erofs.offset !== 0 || erofs.length < BLOCK || erofs.length % BLOCK !== 0) throw broken("the EROFS section is misplaced");
  if (manifest.length === 0 || manifest.length > MAX_MANIFEST_BYTES) throw broken(`a manifest of ${manifest.length} bytes`);
  if (chunks.offset % 8 !== 0 || chunks.length === 0 || chunks.length % CHUNK_ENTRY_BYTES !== 0)
    throw broken("the chunk table is misplaced");
  return { erofs, manifest, chunks };
}

/** CRC-32C (Castagnoli), RFC 3720 B.4. Bit by bit: 1 KiB, once an image. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f6_3b78;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
