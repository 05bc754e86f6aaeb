/** Words of the NBD protocol (github.com/NetworkBlockDevice/nbd, doc/proto.md): fixed newstyle negotiation and simple replies. */

export const SECTOR_BYTES = 512;
/** The longest request that we promise to take; what qemu and the kernel's client keep to by themselves. */
export const MAX_REQUEST_BYTES = 32 * 1024 * 1024;

const NBD_MAGIC = 0x4e42444d41474943n;
const OPTION_MAGIC = 0x49484156454f5054n;
const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;

const FLAG_FIXED_NEWSTYLE = 1;
const FLAG_NO_ZEROES = 2;

/** Has flags; flush, FUA, trim, write zeroes; several connections see one cache. */
const EXPORT_FLAGS = 1 | (1 << 2) | (1 << 3) | (1 << 5) | (1 << 6) | (1 << 8);

export const OPTION = { exportName: 1, abort: 2, list: 3, info: 6, go: 7 } as const;
export const OPTION_REPLY = { ack: 1, server: 2, info: 3, unsupported: 0x8000_0001, invalid: 0x8000_0003 } as const;
export const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6 } as const;
export const COMMAND_FLAG_FUA = 1;
export const ERROR = { none: 0, io: 5, invalid: 22, noSpace: 28, notSupported: 95 } as const;

export const OPTION_HEADER_BYTES = 16;
export const REQUEST_HEADER_BYTES = 28;
export const CLIENT_FLAGS_BYTES = 4;

export interface Request {
  readonly flags: number;
  readonly type: number;
  /** Given back in the reply, never looked at. */
  readonly cookie: bigint;
  readonly offset: number;
  readonly length: number;
}

export function greeting(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeBigUInt64BE(NBD_MAGIC, 0);
  bytes.writeBigUInt64BE(OPTION_MAGIC, 8);
  bytes.writeUInt16BE(FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES, 16);
  return bytes;
}

export function wantsNoZeroes(clientFlags: Buffer): boolean {
  return (clientFlags.readUInt32BE(0) & FLAG_NO_ZEROES) !== 0;
}

/** Throws when it is no option. */
export function parseOption(bytes: Buffer): { readonly option: number; readonly length: number } {
  if (bytes.readBigUInt64BE(0) !== OPTION_MAGIC) throw new Error("the client sends something that is no NBD option");
  return { option: bytes.readUInt32BE(8), length: bytes.readUInt32BE(12) };
}

export function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(type, 12);
  head.writeUInt32BE(data.length, 16);
  return Buffer.concat([head, data]);
}

/** NBD_INFO_EXPORT, and NBD_INFO_BLOCK_SIZE: a sector at least, 4 KiB by preference. */
export function exportInfos(diskBytes: number): readonly Buffer[] {
  const size = Buffer.alloc(12);
  size.writeUInt16BE(0, 0);
  size.writeBigUInt64BE(BigInt(diskBytes), 2);
  size.writeUInt16BE(EXPORT_FLAGS, 10);
  const blocks = Buffer.alloc(14);
  blocks.writeUInt16BE(3, 0);
  blocks.writeUInt32BE(SECTOR_BYTES, 2);
  blocks.writeUInt32BE(4096, 6);
  blocks.writeUInt32BE(MAX_REQUEST_BYTES, 10);
  return [size, blocks];
}

/** What NBD_OPT_EXPORT_NAME is answered with: no reply header. */
export function exportNameAnswer(diskBytes: number, noZeroes: boolean): Buffer {
  const bytes = Buffer.alloc(noZeroes ? 10 : 134);
  bytes.writeBigUInt64BE(BigInt(diskBytes), 0);
  bytes.writeUInt16BE(EXPORT_FLAGS, 8);
  return bytes;
}

/** Throws when it is no request: the stream can't be followed any more. */
export function parseRequest(bytes: Buffer): Request {
  if (bytes.readUInt32BE(0) !== REQUEST_MAGIC) throw new Error("the client sends something that is no NBD request");
  return {
    flags: bytes.readUInt16BE(4),
    type: bytes.readUInt16BE(6),
    cookie: bytes.readBigUInt64BE(8),
    offset: Number(bytes.readBigUInt64BE(16)),
    length: bytes.readUInt32BE(24),
  };
}

export function simpleReply(cookie: bigint, error: number): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUInt32BE(REPLY_MAGIC, 0);
  bytes.writeUInt32BE(error, 4);
  bytes.writeBigUInt64BE(cookie, 8);
  return bytes;
}
