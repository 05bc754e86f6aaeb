/**
 * Blocks of a directory: entries of 12 bytes, then their names. The kernel finds a name by binary search, over the blocks and then in
 * one (fs/erofs/namei.c), so that all entries, `.` and `..` among them, are sorted by bytes.
 */
import { BLOCK, DIRENT_BYTES } from "./format.ts";

export interface Dirent {
  /** One character a byte. */
  readonly name: string;
  readonly nid: number;
  readonly type: number;
}

/** How many entries of a sorted list go into each block, and the directory's size: all blocks, the last one as far as it is used. */
export function planBlocks(names: readonly string[]): { counts: number[]; size: number } {
  const counts: number[] = [];
  let [count, used] = [0, 0];
  for (const name of names) {
    const needed = DIRENT_BYTES + name.length;
    if (used + needed > BLOCK) {
      counts.push(count);
      [count, used] = [0, 0];
    }
    count++;
    used += needed;
  }
  counts.push(count);
  return { counts, size: (counts.length - 1) * BLOCK + used };
}

/** The blocks, one after the other, each BLOCK long. `entries` are sorted. */
export function encodeBlocks(entries: readonly Dirent[], counts: readonly number[]): Buffer {
  const blocks = Buffer.alloc(counts.length * BLOCK);
  let first = 0;
  for (const [index, count] of counts.entries()) {
    encodeBlock(blocks.subarray(index * BLOCK, (index + 1) * BLOCK), entries.slice(first, first + count));
    first += count;
  }
  return blocks;
}

function encodeBlock(block: Buffer, entries: readonly Dirent[]): void {
  let nameAt = entries.length * DIRENT_BYTES;
  for (const [index, { name, nid, type }] of entries.entries()) {
    const at = index * DIRENT_BYTES;
    block.writeBigUInt64LE(BigInt(nid), at);
    block.writeUInt16LE(nameAt, at + 8);
    block.writeUInt8(type, at + 10);
    block.write(name, nameAt, "latin1");
    nameAt += name.length;
  }
}
