/**
 * Entries of a tar stream. Written here and not taken from a package, because extended attributes (PAX) are binary and names are bytes,
 * which a reader that decodes UTF-8 destroys, and because a broken archive must be refused and never be half an image.
 */
import { ByteReader } from "../bytes.ts";
import { parseTarHeader, type RawHeader, TAR_BLOCK, tarError } from "./header.ts";
import { type PaxRecords, parsePax, parsePaxNumber, parsePaxTime } from "./pax.ts";
import { oldGnuSparse, paxSparse, type SparseMap } from "./sparse.ts";

export interface TarEntry {
  /** As the archive has it, one character a byte. */
  readonly name: string;
  readonly linkName: string;
  /** `0` file, `1` hard link, `2` symbolic link, `3` and `4` devices, `5` directory, `6` FIFO. */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** Bytes of data in the archive. */
  readonly size: number;
  readonly sparse: SparseMap | undefined;
  /** Byte of the archive where the header lies, for messages; and where the data does. */
  readonly position: number;
  readonly dataPosition: number;
  /** The data; what is not read before the next entry is asked for is skipped. */
  data(): AsyncGenerator<Buffer>;
}

/** Long names and PAX headers are metadata: more than this is an attack. */
const MAX_EXTENSION_BYTES = 1024 * 1024;
const NONE: PaxRecords = new Map();
const KNOWN_TYPES = "01234567S";

/**
 * `needEnd`: an archive without its end mark is refused, because one that was cut off between two entries looks the same. Throws LV_USAGE
 * that names the byte.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>, needEnd: boolean): AsyncGenerator<TarEntry> {
  const reader = new ByteReader(source);
  let global: PaxRecords = NONE;
  let pax: PaxRecords = NONE;
  let [longName, longLink]: (string | undefined)[] = [];
  let entries = 0;
  try {
    for (;;) {
      const position = reader.position;
      const block = await reader.exactly(TAR_BLOCK);
      if (block.length === 0 && entries > 0 && !needEnd) return;
      if (block.length === 0 && entries > 0) throw tarError(position, "it has no end mark: it was cut off");
      if (block.length < TAR_BLOCK) throw tarError(position, entries === 0 ? "it is no tar archive" : "it ends in the middle of a header");
      const header = parseTarHeader(block, position);
      if (header === undefined) return await drain(reader);
      entries++;
      if ("gxXLK".includes(header.type)) {
        const bytes = await readExtension(reader, header, position);
        if (header.type === "g") global = new Map([...global, ...parsePax(bytes, position)]);
        else if (header.type === "x" || header.type === "X") pax = parsePax(bytes, position);
        else if (header.type === "L") longName = cString(bytes);
        else longLink = cString(bytes);
        continue;
      }
      if (longName !== undefined) header.name = longName;
      if (longLink !== undefined) header.linkName = longLink;
      yield* readEntry(reader, header, block, global.size === 0 ? pax : new Map([...global, ...pax]), position);
      pax = NONE;
      longName = longLink = undefined;
    }
  } finally {
    await reader.close();
  }
}

async function* readEntry(
  reader: ByteReader,
  header: RawHeader,
  block: Buffer,
  pax: PaxRecords,
  position: number,
): AsyncGenerator<TarEntry> {
  if (header.size < 0) throw tarError(position, "a negative size");
  const time = applyPax(header, pax, position);
  const hasData = header.type === "0" || header.type === "7" || header.type === "S" || !KNOWN_TYPES.includes(header.type);
  let left = hasData ? header.size : 0;
  const padding = (TAR_BLOCK - (left % TAR_BLOCK)) % TAR_BLOCK;
  let sparse: SparseMap | undefined;
  if (header.type === "S") sparse = await oldGnuSparse(block, reader);
  const found = header.type === "0" ? await paxSparse(pax, reader) : undefined;
  if (found !== undefined) {
    sparse = found.map;
    left -= found.consumed;
    if (left < 0) throw tarError(position, "a sparse file's map is longer than its data");
  }
  const size = left;
  if (sparse !== undefined && sparse.pieces.reduce((sum, { length }) => sum + length, 0) !== size)
    throw tarError(position, "a sparse file's map and its data differ in length");
  const data = async function* (): AsyncGenerator<Buffer> {
    while (left > 0) {
      const piece = await reader.some(left);
      if (piece === undefined) throw tarError(reader.position, `it ends in the middle of ${JSON.stringify(header.name)}`);
      left -= piece.length;
      yield piece;
    }
  };
  const { name, linkName, mode, uid, gid, major, minor } = header;
  // Type 7 is "contiguous", which is a file; an old archive says that a file is a directory by a slash.
  const plain = header.type === "7" || header.type === "S" ? "0" : header.type;
  const type = plain === "0" && name.endsWith("/") ? "5" : plain;
  yield {
    name,
    linkName,
    type,
    mode,
    uid,
    gid,
    ...time,
    major,
    minor,
    xattrs: xattrsOf(pax),
    size,
    sparse,
    position,
    dataPosition: reader.position,
    data,
  };
  for await (const _ of data());
  if ((await reader.exactly(padding)).length < padding) throw tarError(reader.position, "it ends in the padding of an entry");
}

/** What a PAX header says replaces what the block says. */
function applyPax(header: RawHeader, pax: PaxRecords, position: number): { mtime: number; mtimeNs: number } {
  const text = (key: string): string | undefined => pax.get(key)?.toString("latin1");
  header.name = text("GNU.sparse.name") ?? text("path") ?? header.name;
  header.linkName = text("linkpath") ?? header.linkName;
  for (const key of ["uid", "gid", "size"] as const) {
    const bytes = pax.get(key);
    if (bytes !== undefined) header[key] = parsePaxNumber(bytes, position, key);
  }
  for (const key of ["uid", "gid"] as const)
    if (header[key] < 0 || header[key] > 0xffff_ffff) throw tarError(position, `the ${key} ${header[key]}`);
  const time = text("mtime");
  return time === undefined ? { mtime: header.mtime, mtimeNs: 0 } : parsePaxTime(time, position);
}

/** GNU tar, star, bsdtar and Go write them so. */
function xattrsOf(pax: PaxRecords): Map<string, Buffer> {
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of pax) if (key.startsWith("SCHILY.xattr.")) xattrs.set(key.slice("SCHILY.xattr.".length), Buffer.from(value));
  return xattrs;
}

async function readExtension(reader: ByteReader, { size }: RawHeader, position: number): Promise<Buffer> {
  if (size < 0 || size > MAX_EXTENSION_BYTES) throw tarError(position, `an extended header of ${size} bytes`);
  const padded = Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  const bytes = await reader.exactly(padded);
  if (bytes.length < padded) throw tarError(reader.position, "it ends in the middle of an extended header");
  return bytes.subarray(0, size);
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
}

/** Behind the end there may be more zeros; a pipe's writer must be let finish, and a compressed stream's checksum be seen. */
async function drain(reader: ByteReader): Promise<void> {
  for await (const _ of reader.all());
}
