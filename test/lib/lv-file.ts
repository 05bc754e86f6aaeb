/**
 * A `.lv` file by hand, straight from docs/image-format.md and with nothing of ours that writes or reads them: right in its form, its "file system" is
 * noise. For readers that do not mount it.
 */
import { createHash } from "node:crypto";

export interface LvFile {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly erofsBytes: number;
  readonly tableAt: number;
}

const CHUNK = 16 * 1024;

export function lvFile(options: { name?: string; architecture?: string; blocks?: number } = {}): LvFile {
  const { name = "test:latest", architecture = "amd64", blocks = 12 } = options;
  const erofsBytes = blocks * 4096;
  const erofs = Buffer.alloc(erofsBytes);
  for (let at = 1024; at < erofsBytes; at += 32) sha256(Buffer.from(`${name} ${at}`)).copy(erofs, at);
  const entries: Buffer[] = [];
  for (let at = 1024; at < erofsBytes; at += CHUNK) {
    const length = Math.min(CHUNK, erofsBytes - at);
    const entry = Buffer.alloc(48);
    entry.writeBigUInt64LE(BigInt(at), 0);
    entry.writeUInt32LE(length, 8);
    sha256(erofs.subarray(at, at + length)).copy(entry, 16);
    entries.push(entry);
  }
  const table = Buffer.concat(entries);
  const chunks = `{"count":${entries.length},"digest":"sha256:${sha256(table).toString("hex")}","size":${table.length}}`;
  const head = `{"architecture":${JSON.stringify(architecture)},"chunks":${chunks},"config":{"Cmd":["/bin/true"]},"created":"2026-01-01T00:00:00Z"`;
  const manifest = Buffer.from(
    `${head},"erofs":{"blockSize":4096,"size":${erofsBytes}},"name":${JSON.stringify(name)},"os":"linux","schemaVersion":1}`,
  );
  const tableAt = Math.ceil((erofsBytes + manifest.length) / 8) * 8;
  const size = Math.ceil((tableAt + table.length) / 4096) * 4096;
  const bytes = Buffer.alloc(size);
  erofs.copy(bytes);
  manifest.copy(bytes, erofsBytes);
  table.copy(bytes, tableAt);
  header(bytes, [
    [1, 0, erofsBytes],
    [2, erofsBytes, manifest.length],
    [3, tableAt, table.length],
  ]);
  return { bytes, digest: `sha256:${sha256(manifest).toString("hex")}`, erofsBytes, tableAt };
}

function header(bytes: Buffer, sections: readonly (readonly [type: number, offset: number, length: number])[]): void {
  Buffer.from([0x89, 0x4c, 0x56, 0x0d, 0x0a, 0x1a, 0x0a, 0x00]).copy(bytes, 0);
  bytes.writeUInt16LE(1, 8);
  bytes.writeUInt32LE(1024, 12);
  bytes.writeUInt32LE(sections.length, 20);
  bytes.writeBigUInt64LE(BigInt(bytes.length), 24);
  for (const [index, [type, offset, length]] of sections.entries()) {
    bytes.writeUInt32LE(type, 32 + index * 32);
    bytes.writeBigUInt64LE(BigInt(offset), 40 + index * 32);
    bytes.writeBigUInt64LE(BigInt(length), 48 + index * 32);
  }
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 1020)), 1020);
}

/** RFC 3720, B.4. */
function crc32c(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  return ~crc >>> 0;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
