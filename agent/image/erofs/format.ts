/** EROFS on disk, what we write of it (the kernel's fs/erofs/erofs_fs.h and Documentation/filesystems/erofs.rst). */

export const BLOCK = 4096;
export const SUPER_OFFSET = 1024;
export const SUPER_BYTES = 128;
export const INODE_BYTES = 64;
/** An inode's number (nid) is its offset in units of 32 bytes. */
export const SLOT = 32;
export const DIRENT_BYTES = 12;
export const SUPER_MAGIC = 0xe0f5_e1e2;
/** Compatible features: the superblock's checksum; inode times are modification times. */
export const FEATURES = 0x1 | 0x2;

export const FORMAT = { file: 0o100000, directory: 0o040000, symlink: 0o120000, char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;
/** `file_type` of a directory entry. */
export const FILE_TYPE = { file: 1, directory: 2, char: 3, block: 4, fifo: 5, symlink: 7 } as const;

/** Linux's new_encode_dev(): the minor number's high bits lie above the major's. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xf_ff00) << 12)) >>> 0;
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
