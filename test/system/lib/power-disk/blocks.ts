/** Blocks of a disk that are newer than what lies below them, sector by sector. A block's bytes are never changed once they are in. */
import { SECTOR_BYTES } from "./protocol.ts";

export const BLOCK_BYTES = 4096;
const SECTORS = BLOCK_BYTES / SECTOR_BYTES;
const WHOLE = (1 << SECTORS) - 1;

export interface Block {
  /** BLOCK_BYTES long; what the mask does not name is undefined. */
  readonly data: Buffer;
  /** One bit a sector. */
  readonly mask: number;
  /** Of the newest write in it. */
  readonly number: number;
}

export function isWhole({ mask }: Block): boolean {
  return mask === WHOLE;
}

/** Sectors of a block that bytes `from` to `to` (not included) of it cover. */
function maskOf(from: number, to: number): number {
  return ((1 << (to / SECTOR_BYTES)) - 1) & ~((1 << (from / SECTOR_BYTES)) - 1);
}

/** Calls back for each block that a range touches: its number, and the range within it. */
export function eachBlock(offset: number, length: number, visit: (block: number, from: number, to: number, at: number) => void): void {
  for (let at = offset; at < offset + length; ) {
    const block = Math.floor(at / BLOCK_BYTES);
    const from = at - block * BLOCK_BYTES;
    const to = Math.min(BLOCK_BYTES, from + offset + length - at);
    visit(block, from, to, at - offset);
    at += to - from;
  }
}

export class BlockMap {
  readonly map = new Map<number, Block>();

  get size(): number {
    return this.map.size;
  }

  put(offset: number, data: Buffer, number: number): void {
    eachBlock(offset, data.length, (block, from, to, at) => {
      const piece = data.subarray(at, at + to - from);
      const mask = maskOf(from, to);
      const before = mask === WHOLE ? undefined : this.map.get(block);
      if (mask === WHOLE) {
        this.map.set(block, { data: piece, mask, number });
        return;
      }
      const merged = before === undefined ? Buffer.allocUnsafeSlow(BLOCK_BYTES) : Buffer.from(before.data);
      piece.copy(merged, from);
      this.map.set(block, { data: merged, mask: mask | (before?.mask ?? 0), number });
    });
  }

  /** Forgets blocks whose newest write is older than `number`. */
  dropBefore(number: number): void {
    for (const [block, entry] of this.map) if (entry.number < number) this.map.delete(block);
  }

  /** Forgets the blocks that a write covers whole, unless something newer is in them. */
  dropCovered(offset: number, length: number, number: number): void {
    eachBlock(offset, length, (block, from, to) => {
      if (to - from === BLOCK_BYTES && this.map.get(block)?.number === number) this.map.delete(block);
    });
  }
}

/** Puts what a block has over bytes that were read below it. */
export function overlay({ data, mask }: Block, target: Buffer, from: number, to: number, at: number): void {
  if (mask === WHOLE) {
    data.copy(target, at, from, to);
    return;
  }
  for (let sector = from; sector < to; sector += SECTOR_BYTES)
    if ((mask & (1 << (sector / SECTOR_BYTES))) !== 0) data.copy(target, at + sector - from, sector, sector + SECTOR_BYTES);
}

export interface Run {
  readonly offset: number;
  readonly buffers: readonly Buffer[];
}

/** The map as writes: neighbours together, at most `most` blocks in one. */
export function runsOf(map: ReadonlyMap<number, Block>, most = 256): Run[] {
  const runs: { offset: number; buffers: Buffer[] }[] = [];
  let next = -1;
  for (const block of [...map.keys()].sort((a, b) => a - b)) {
    const entry = map.get(block);
    if (entry === undefined) continue;
    const last = runs.at(-1);
    if (!isWhole(entry)) {
      runs.push(...sectorRuns(block, entry));
      next = -1;
    } else if (last !== undefined && block === next && last.buffers.length < most) {
      last.buffers.push(entry.data);
      next = block + 1;
    } else {
      runs.push({ offset: block * BLOCK_BYTES, buffers: [entry.data] });
      next = block + 1;
    }
  }
  return runs;
}

function sectorRuns(block: number, { data, mask }: Block): { offset: number; buffers: Buffer[] }[] {
  const found: { offset: number; buffers: Buffer[] }[] = [];
  for (let sector = 0; sector < SECTORS; sector++) {
    if ((mask & (1 << sector)) === 0) continue;
    const at = sector * SECTOR_BYTES;
    found.push({ offset: block * BLOCK_BYTES + at, buffers: [data.subarray(at, at + SECTOR_BYTES)] });
  }
  return found;
}
