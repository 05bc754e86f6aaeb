/** Extended attributes kept behind their inode: a header of 12 bytes, then entries, each padded to 4. */
import { LightvError } from "#agent/lib/errors.ts";
import { roundUp } from "./format.ts";

const HEADER = 12;
const ENTRY = 4;
/** Longest prefix first where one begins with another. POSIX ACLs are whole names. */
const PREFIXES: readonly (readonly [prefix: string, index: number])[] = [
  ["system.posix_acl_access", 2],
  ["system.posix_acl_default", 3],
  ["user.", 1],
  ["trusted.", 4],
  ["security.", 6],
];
/** `i_xattr_icount` has 16 bits and counts 4 bytes each. */
const MAX_BYTES = HEADER + 4 * 0xfffe;

/** Whether EROFS can keep an attribute of this name. */
export function isKeepable(name: string): boolean {
  const found = split(name);
  return found !== undefined && found.rest.length <= 255 && (found.rest !== "" || name.startsWith("system."));
}

function split(name: string): { index: number; rest: string } | undefined {
  for (const [prefix, index] of PREFIXES) {
    const whole = !prefix.endsWith(".");
    if (whole ? name === prefix : name.startsWith(prefix)) return { index, rest: name.slice(prefix.length) };
  }
  return undefined;
}

/** Empty when there are none. Throws LV_USAGE when they are more than an inode can carry; `path` is for that. */
export function encodeXattrs(xattrs: ReadonlyMap<string, Buffer>, path: string): Buffer {
  const entries = [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => encodeEntry(name, value, path));
  if (entries.length === 0) return Buffer.alloc(0);
  const body = Buffer.concat([Buffer.alloc(HEADER), ...entries]);
  if (body.length > MAX_BYTES) throw tooMuch(path, `extended attributes of ${body.length} bytes`);
  return body;
}

/** `i_xattr_icount` of a body. */
export function xattrCount(body: Buffer): number {
  return body.length === 0 ? 0 : 1 + (body.length - HEADER) / 4;
}

function encodeEntry(name: string, value: Buffer, path: string): Buffer {
  const found = split(name);
  if (found === undefined || found.rest.length > 255 || value.length > 0xffff)
    throw tooMuch(path, `the extended attribute ${name} of ${value.length} bytes`);
  const entry = Buffer.alloc(roundUp(ENTRY + found.rest.length + value.length, 4));
  entry.writeUInt8(found.rest.length, 0);
  entry.writeUInt8(found.index, 1);
  entry.writeUInt16LE(value.length, 2);
  entry.write(found.rest, ENTRY, "latin1");
  value.copy(entry, ENTRY + found.rest.length);
  return entry;
}

function tooMuch(path: string, what: string): LightvError {
  return new LightvError("LV_USAGE", `${path}: ${what} do not fit into an image`, { hint: "remove them from the input" });
}
