/**
 * Writes that are acknowledged and not durable: what a disk holds in its volatile cache. In the order in which they came; parts that a later
 * durable write (FUA, write-back) has overtaken are cut out. Pure bookkeeping, no I/O.
 */
import { SECTOR_BYTES } from "./protocol.ts";
import { type Dice, diceOf } from "./random.ts";

export interface Piece {
  readonly offset: number;
  readonly data: Buffer;
}

export interface Pending extends Piece {
  /** Grows with each write. */
  readonly number: number;
}

/** What a cut leaves of the cache. `random` is a disk; the other two are the ends of what a disk may do. */
export type CutMode = "random" | "none" | "all";

export interface Survivors {
  /** To be applied in this order. */
  readonly pieces: readonly Piece[];
  readonly whole: number;
  readonly torn: number;
  readonly lost: number;
}

export class VolatileLog {
  #pending: Pending[] = [];
  #number = 0;
  bytes = 0;

  get length(): number {
    return this.#pending.length;
  }

  /** Behind the newest write: what has been written before is what a flush that comes now is about. */
  get position(): number {
    return this.#number;
  }

  push(piece: Piece): void {
    this.#pending.push({ ...piece, number: this.#number++ });
    this.bytes += piece.data.length;
  }

  /** Takes out everything written before `position`, in the order of writing. */
  takeBefore(position: number): Piece[] {
    const at = this.#pending.findIndex(({ number }) => number >= position);
    const taken = this.#pending.splice(0, at < 0 ? this.#pending.length : at);
    for (const { data } of taken) this.bytes -= data.length;
    return taken;
  }

  /** Takes one out by chance, as a cache that writes back by itself does; older writes to the same place can then come no more. */
  takeOne(dice: Dice): Pending | undefined {
    const at = dice.below(this.#pending.length);
    const [taken] = this.#pending.splice(at, 1);
    if (taken === undefined) return undefined;
    this.bytes -= taken.data.length;
    this.#cut(taken.offset, taken.data.length, taken.number);
    return taken;
  }

  /** A write to this place has become durable by itself: what came before it is overtaken. */
  overtake(offset: number, length: number): void {
    this.#cut(offset, length, this.#number);
  }

  clear(): void {
    this.#pending = [];
    this.bytes = 0;
  }

  /** What is left after a cut. The same writes and the same seed give the same. */
  survivors(seed: number, mode: CutMode): Survivors {
    if (mode === "none") return { pieces: [], whole: 0, torn: 0, lost: this.length };
    if (mode === "all") return { pieces: [...this.#pending], whole: this.length, torn: 0, lost: 0 };
    return chooseSurvivors(this.#pending, seed);
  }

  #cut(offset: number, length: number, before: number): void {
    const end = offset + length;
    const overlaps = ({ offset: from, data, number }: Pending): boolean => number < before && from < end && from + data.length > offset;
    if (!this.#pending.some(overlaps)) return;
    this.#pending = this.#pending.flatMap((one) => {
      if (!overlaps(one)) return [one];
      const parts = [
        { ...one, data: one.data.subarray(0, Math.max(0, offset - one.offset)) },
        { ...one, offset: Math.max(one.offset, end), data: one.data.subarray(Math.max(0, end - one.offset)) },
      ].filter(({ data }) => data.length > 0);
      this.bytes += parts.reduce((sum, { data }) => sum + data.length, 0) - one.data.length;
      return parts;
    });
  }
}

/**
 * Each cut draws how much its disk had written back already, each write then whether it was among that, and some are torn: any of their
 * sectors may be missing. Any order is one that a disk may have: what it wrote back early may be older than what it then lost.
 */
function chooseSurvivors(writes: readonly Piece[], seed: number): Survivors {
  const dice = diceOf(seed);
  const share = dice.next();
  const tornShare = dice.next() * 0.5;
  let [whole, torn] = [0, 0];
  const pieces: Piece[] = [];
  for (const write of writes) {
    if (dice.next() >= share) continue;
    if (dice.next() < tornShare && write.data.length > SECTOR_BYTES) {
      torn++;
      pieces.push(...tear(write, dice));
    } else {
      whole++;
      pieces.push(write);
    }
  }
  return { pieces: dice.shuffle(pieces), whole, torn, lost: writes.length - whole - torn };
}

/** A random prefix, or any sectors. */
function tear({ offset, data }: Piece, dice: Dice): Piece[] {
  const sectors = Math.ceil(data.length / SECTOR_BYTES);
  if (dice.next() < 0.5)
    return [{ offset, data: data.subarray(0, dice.below(sectors) * SECTOR_BYTES) }].filter((piece) => piece.data.length > 0);
  const pieces: Piece[] = [];
  for (let at = 0; at < data.length; at += SECTOR_BYTES)
    if (dice.next() < 0.5) pieces.push({ offset: offset + at, data: data.subarray(at, at + SECTOR_BYTES) });
  return pieces;
}
