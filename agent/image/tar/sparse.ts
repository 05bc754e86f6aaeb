/** Sparse files of GNU tar: which pieces of the file the archive holds; the rest is zeros. */
import type { ByteReader } from "../bytes.ts";
import { TAR_BLOCK, tarError } from "./header.ts";
import { type PaxRecords, parsePaxNumber } from "./pax.ts";

export interface SparseMap {
  /** Of the whole file. */
  readonly size: number;
  readonly pieces: readonly { readonly offset: number; readonly length: number }[];
}

/** More pieces than any honest archive has. */
const MAX_PIECES = 1_000_000;

/** The form of old GNU tar (type S): four pieces in the header, more in blocks behind it. */
export async function oldGnuSparse(block: Buffer, reader: ByteReader): Promise<SparseMap> {
  const position = reader.position;
  const numbers: number[] = [];
  const take = (from: Buffer, at: number, count: number): void => {
    for (let index = 0; index < count * 2; index++) {
      const field = from.toString("latin1", at + index * 12, at + index * 12 + 12).replace(/[\s\0].*$/s, "");
      if (field === "") return;
      numbers.push(gnuNumber(from.subarray(at + index * 12, at + index * 12 + 12), position));
    }
  };
  take(block, 386, 4);
  for (let more = block[482] === 1; more; ) {
    const next = await reader.exactly(TAR_BLOCK);
    if (next.length < TAR_BLOCK || numbers.length > MAX_PIECES * 2) throw tarError(position, "a sparse file's map does not end");
    take(next, 0, 21);
    more = next[504] === 1;
  }
  return checkMap(gnuNumber(block.subarray(483, 495), position), numbers, position);
}

function gnuNumber(field: Buffer, position: number): number {
  if (((field[0] ?? 0) & 0x80) !== 0) {
    const value = Number(field.readBigUInt64BE(4));
    if (Number.isSafeInteger(value)) return value;
  }
  const digits = field.toString("latin1").replace(/[\s\0].*$/s, "");
  if (!/^[0-7]+$/.test(digits)) throw tarError(position, "a sparse file's map has a wrong number");
  return Number.parseInt(digits, 8);
}

/** The PAX forms 0.1 (map in a record) and 1.0 (map before the data, which it shortens). Undefined when it is no sparse file. */
export async function paxSparse(pax: PaxRecords, reader: ByteReader): Promise<{ map: SparseMap; consumed: number } | undefined> {
  const position = reader.position;
  const number = (key: string): number | undefined => {
    const bytes = pax.get(key);
    return bytes === undefined ? undefined : parsePaxNumber(bytes, position, key);
  };
  if (number("GNU.sparse.major") === 1) {
    const { numbers, consumed } = await readMap(reader, position);
    return { map: checkMap(number("GNU.sparse.realsize") ?? 0, numbers, position), consumed };
  }
  const text = pax.get("GNU.sparse.map")?.toString("latin1");
  if (text !== undefined) {
    const numbers = text === "" ? [] : text.split(",").map((part) => parsePaxNumber(Buffer.from(part), position, "sparse map"));
    return { map: checkMap(number("GNU.sparse.size") ?? 0, numbers, position), consumed: 0 };
  }
  if (pax.has("GNU.sparse.size") || pax.has("GNU.sparse.numblocks"))
    throw tarError(position, "a sparse file of the form 0.0, which is not read here");
  return undefined;
}

/** Decimal lines: the count of pieces, then offset and length of each; padded to blocks. */
async function readMap(reader: ByteReader, position: number): Promise<{ numbers: number[]; consumed: number }> {
  const numbers: number[] = [];
  let [consumed, wanted, line] = [0, 1, ""];
  while (numbers.length < wanted) {
    const block = await reader.exactly(TAR_BLOCK);
    if (block.length < TAR_BLOCK) throw tarError(position, "a sparse file's map does not end");
    consumed += TAR_BLOCK;
    const lines = (line + block.toString("latin1")).split("\n");
    line = lines.pop() ?? "";
    for (const text of lines) {
      if (numbers.length >= wanted) break;
      numbers.push(parsePaxNumber(Buffer.from(text), position, "number of a sparse map"));
      if (numbers.length === 1) wanted = 1 + 2 * (numbers[0] ?? 0);
      if (wanted > 1 + 2 * MAX_PIECES) throw tarError(position, "a sparse file with too many pieces");
    }
  }
  return { numbers: numbers.slice(1), consumed };
}

function checkMap(size: number, numbers: readonly number[], position: number): SparseMap {
  const pieces: { offset: number; length: number }[] = [];
  let end = 0;
  for (let index = 0; index + 1 < numbers.length; index += 2) {
    const [offset = 0, length = 0] = [numbers[index], numbers[index + 1]];
    if (offset < end || offset + length > size) throw tarError(position, "a sparse file's pieces overlap or lie outside");
    end = offset + length;
    if (length > 0) pieces.push({ offset, length });
  }
  return { size, pieces };
}
