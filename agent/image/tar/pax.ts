/** PAX extended headers: records "LENGTH KEY=VALUE\n". Values stay bytes: an extended attribute is binary. */
import { tarError } from "./header.ts";

export type PaxRecords = ReadonlyMap<string, Buffer>;

export function parsePax(bytes: Buffer, position: number): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    // Some writers pad with zeros.
    if (bytes[at] === 0) break;
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? "" : bytes.toString("latin1", at, space);
    const length = /^\d{1,10}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = bytes.indexOf(0x3d, space);
    if (length <= digits.length + 2 || end > bytes.length || bytes[end - 1] !== 0x0a || equals < 0 || equals >= end)
      throw tarError(position, "a PAX record has a wrong form");
    records.set(bytes.toString("utf8", space + 1, equals), bytes.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

export interface Time {
  readonly mtime: number;
  readonly mtimeNs: number;
}

/** Decimal seconds with a fraction of any length, also before 1970: exact to the nanosecond, rounded down as the kernel counts. */
export function parsePaxTime(text: string, position: number): Time {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text);
  if (match === null) throw tarError(position, `"${text.slice(0, 40)}" is not a time`);
  const [, sign, whole = "0", fraction = ""] = match;
  const seconds = Number(whole);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (sign !== "-") return { mtime: seconds, mtimeNs: nanoseconds };
  return nanoseconds === 0 ? { mtime: -seconds + 0, mtimeNs: 0 } : { mtime: -seconds - 1, mtimeNs: 1_000_000_000 - nanoseconds };
}

/** A whole number that is not negative. */
export function parsePaxNumber(bytes: Buffer, position: number, what: string): number {
  const text = bytes.toString("latin1");
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw tarError(position, `"${text.slice(0, 40)}" is not a ${what}`);
  return value;
}
