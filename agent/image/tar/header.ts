/** One tar header block: POSIX ustar, GNU and the older forms (tar(5), POSIX.1-2017 pax). */
import { LightvError } from "#agent/lib/errors.ts";

export const TAR_BLOCK = 512;

export interface RawHeader {
  /** One character a byte. */
  name: string;
  linkName: string;
  readonly mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds; may be negative, and have a fraction when PAX says so. */
  mtime: number;
  readonly type: string;
  readonly major: number;
  readonly minor: number;
}

export function tarError(position: number, why: string): LightvError {
  return new LightvError("LV_USAGE", `the tar archive is broken near byte ${position}: ${why}`, {
    hint: "make it again; `tar -tf` shows how far it is whole",
  });
}

/** Undefined for a block of zeros: the archive's end. */
export function parseTarHeader(block: Buffer, position: number): RawHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  checkSum(block, position);
  const magic = block.toString("latin1", 257, 265);
  const ustar = magic.startsWith("ustar\0");
  const name = text(block, 0, 100);
  // GNU keeps other things where ustar has its prefix.
  const prefix = ustar ? text(block, 345, 155) : "";
  const field = (at: number, length: number, what: string): number => parseNumber(block.subarray(at, at + length), position, what);
  const device = magic.startsWith("ustar");
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: field(100, 8, "mode") & 0o7777,
    uid: field(108, 8, "user id"),
    gid: field(116, 8, "group id"),
    size: field(124, 12, "size"),
    mtime: field(136, 12, "time"),
    type: block[156] === 0 ? "0" : String.fromCharCode(block[156] ?? 0),
    linkName: text(block, 157, 100),
    major: device ? field(329, 8, "device number") : 0,
    minor: device ? field(337, 8, "device number") : 0,
  };
}

function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString("latin1", at, end < 0 || end > at + length ? at + length : end);
}

/** The sum of all bytes, the checksum's own taken as spaces; some old archivers summed signed bytes. */
function checkSum(block: Buffer, position: number): void {
  let [unsigned, signed] = [0, 0];
  for (let at = 0; at < TAR_BLOCK; at++) {
    const byte = at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const stored = parseNumber(block.subarray(148, 156), position, "checksum");
  if (stored !== unsigned && stored !== signed) throw tarError(position, "a header's checksum is wrong");
}

/** Octal, or base 256 with a set first bit (GNU), in two's complement. */
function parseNumber(field: Buffer, position: number, what: string): number {
  const first = field[0] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = BigInt(first & 0x7f);
    if ((first & 0x40) !== 0) value -= 128n;
    for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte);
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER))
      throw tarError(position, `a ${what} beyond all bounds`);
    return Number(value);
  }
  const digits = field.toString("latin1").replace(/^[\s\0]+|[\s\0].*$/gs, "");
  if (!/^-?[0-7]*$/.test(digits)) throw tarError(position, `a ${what} that is not octal`);
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}
