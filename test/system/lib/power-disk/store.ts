/**
 * The disk: a file that holds what is durable, and the volatile cache over it. A write is acknowledged when it is in the cache; a flush when
 * everything that was acknowledged before it is durable; a cut loses what is not. What is durable but not yet in the file waits in memory:
 * our own process does not die with the device.
 */
import { type FileHandle, open } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type Block, BlockMap, eachBlock, isWhole, overlay, runsOf } from "./blocks.ts";
import { type CutMode, type Piece, VolatileLog } from "./log.ts";
import { type Dice, diceOf } from "./random.ts";

export interface DiskOptions {
  readonly file: string;
  /** What the cache holds at most; above it writes back by itself, in random order. Bytes. */
  readonly cacheBytes: number;
  /** A flush takes between none and twice this long: while it is under way nothing of it is promised. Milliseconds. */
  readonly flushMs: number;
  /** For the order of write-back and the length of flushes. */
  readonly seed: number;
}

export interface DiskStats {
  reads: number;
  readBytes: number;
  writes: number;
  writtenBytes: number;
  flushes: number;
  trimmedBytes: number;
  /** Written back without a flush. */
  evictedBytes: number;
  /** The most that a cut could have lost so far. */
  mostVolatileBytes: number;
}

export interface CutReport {
  readonly unflushedWrites: number;
  readonly unflushedBytes: number;
  readonly whole: number;
  readonly torn: number;
  readonly lost: number;
}

/** Durable blocks that wait for the file. Above it writers wait. */
const MOST_WAITING_BLOCKS = 32 * 1024;
/** Writes to the file at a time; libuv has four threads. */
const PARALLEL_WRITES = 4;

/** Thrown into what was under way when the power went: there is nobody left to answer. */
export class PowerLost extends Error {}

export class VolatileDisk {
  readonly stats: DiskStats = {
    reads: 0,
    readBytes: 0,
    writes: 0,
    writtenBytes: 0,
    flushes: 0,
    trimmedBytes: 0,
    evictedBytes: 0,
    mostVolatileBytes: 0,
  };
  readonly bytes: number;
  flushMs: number;
  readonly #file: FileHandle;
  readonly #cacheBytes: number;
  readonly #dice: Dice;
  readonly #log = new VolatileLog();
  /** What the guest sees of the log. */
  readonly #cache = new BlockMap();
  #waiting = new BlockMap();
  #writing = new BlockMap();
  #drain: Promise<void> | undefined;
  #cuts = 0;
  /** Called in the turn of that write, before anything else happens to the disk. */
  onWrite: (writes: number) => void = () => undefined;

  private constructor(file: FileHandle, bytes: number, options: DiskOptions) {
    this.#file = file;
    this.bytes = bytes;
    this.#cacheBytes = options.cacheBytes;
    this.flushMs = options.flushMs;
    this.#dice = diceOf(options.seed);
  }

  static async open(options: DiskOptions): Promise<VolatileDisk> {
    const file = await open(options.file, "r+");
    return new VolatileDisk(file, (await file.stat()).size, options);
  }

  /** What a cut would put at stake now. */
  get unflushedWrites(): number {
    return this.#log.length;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    this.stats.reads++;
    this.stats.readBytes += length;
    const target = Buffer.allocUnsafeSlow(length);
    // Looked up before anything is awaited: what is written to the file meanwhile is in these already.
    const over: (() => void)[] = [];
    let whole = true;
    eachBlock(offset, length, (block, from, to, at) => {
      const layers: Block[] = [];
      for (const { map } of [this.#cache, this.#waiting, this.#writing]) {
        const found = map.get(block);
        if (found === undefined) continue;
        layers.push(found);
        if (isWhole(found)) break;
      }
      const last = layers.at(-1);
      whole &&= last !== undefined && isWhole(last);
      for (const layer of layers.reverse()) over.push(() => overlay(layer, target, from, to, at));
    });
    if (!whole) await readFully(this.#file, target, offset);
    for (const put of over) put();
    return target;
  }

  /** `data` is ours from now on. */
  async write(offset: number, data: Buffer, isDurable: boolean): Promise<void> {
    this.stats.writes++;
    this.stats.writtenBytes += data.length;
    if (isDurable) {
      this.#log.overtake(offset, data.length);
      // Under newer numbers nothing is lost: the cache only shows what is durable anyway.
      this.#cache.put(offset, data, this.#log.position);
      this.#harden({ offset, data });
    } else {
      this.#cache.put(offset, data, this.#log.position);
      this.#log.push({ offset, data });
      this.#evict();
      this.stats.mostVolatileBytes = Math.max(this.stats.mostVolatileBytes, this.#log.bytes);
    }
    this.onWrite(this.stats.writes);
    await this.#room();
  }

  /** Throws PowerLost when a cut comes first. */
  async flush(): Promise<void> {
    this.stats.flushes++;
    const { position } = this.#log;
    const cuts = this.#cuts;
    if (this.#log.length > 0 && this.flushMs > 0) await delay(this.#dice.next() * 2 * this.flushMs);
    if (cuts !== this.#cuts) throw new PowerLost();
    for (const piece of this.#log.takeBefore(position)) this.#harden(piece);
    this.#cache.dropBefore(position);
    await this.#room();
  }

  /** The power goes. What is durable afterwards is in the file when the promise resolves; the same writes and seed give the same. */
  async cut(seed: number, mode: CutMode): Promise<CutReport> {
    this.#cuts++;
    const [unflushedWrites, unflushedBytes] = [this.#log.length, this.#log.bytes];
    const { pieces, whole, torn, lost } = this.#log.survivors(seed, mode);
    this.#log.clear();
    this.#cache.map.clear();
    for (const piece of pieces) this.#harden(piece);
    await this.settled();
    return { unflushedWrites, unflushedBytes, whole, torn, lost };
  }

  /** The power goes, and what becomes of the cache is not decided yet: outcome() tries, cut() decides. The file holds what is durable. */
  async freeze(): Promise<void> {
    this.#cuts++;
    await this.settled();
  }

  /** What a cut with this seed would leave, written into `copy`, which is a copy of the file as freeze() left it. */
  async outcome(seed: number, mode: CutMode, copy: string): Promise<CutReport> {
    const [unflushedWrites, unflushedBytes] = [this.#log.length, this.#log.bytes];
    const { pieces, whole, torn, lost } = this.#log.survivors(seed, mode);
    const file = await open(copy, "r+");
    try {
      for (const { offset, data } of pieces) await writeFully(file, [data], offset);
    } finally {
      await file.close();
    }
    return { unflushedWrites, unflushedBytes, whole, torn, lost };
  }

  /** Everything durable is in the file. */
  async settled(): Promise<void> {
    while (this.#drain !== undefined) await this.#drain;
  }

  /** An orderly end: everything becomes durable. */
  async close(): Promise<void> {
    for (const piece of this.#log.takeBefore(this.#log.position)) this.#harden(piece);
    this.#cache.map.clear();
    await this.settled();
    await this.#file.close();
  }

  #evict(): void {
    while (this.#log.bytes > this.#cacheBytes) {
      const piece = this.#log.takeOne(this.#dice);
      if (piece === undefined) return;
      this.stats.evictedBytes += piece.data.length;
      this.#harden(piece);
      this.#cache.dropCovered(piece.offset, piece.data.length, piece.number);
    }
  }

  #harden({ offset, data }: Piece): void {
    this.#waiting.put(offset, data, 0);
    this.#drain ??= this.#begin();
  }

  #begin(): Promise<void> {
    return this.#drainAll().finally(() => {
      // Something may have come since the last look.
      this.#drain = this.#waiting.size > 0 ? this.#begin() : undefined;
    });
  }

  async #room(): Promise<void> {
    while (this.#waiting.size > MOST_WAITING_BLOCKS) await this.#drain;
  }

  async #drainAll(): Promise<void> {
    // What comes in one turn goes out together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.size > 0) {
      [this.#writing, this.#waiting] = [this.#waiting, new BlockMap()];
      const runs = runsOf(this.#writing.map);
      const worker = async (): Promise<void> => {
        for (let run = runs.pop(); run !== undefined; run = runs.pop()) await writeFully(this.#file, run.buffers, run.offset);
      };
      await Promise.all(Array.from({ length: PARALLEL_WRITES }, worker));
      this.#writing = new BlockMap();
    }
  }
}

async function readFully(file: FileHandle, target: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await file.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) throw new Error(`the disk's file ends before byte ${offset + target.length}`);
    done += bytesRead;
  }
}

async function writeFully(file: FileHandle, buffers: readonly Buffer[], offset: number): Promise<void> {
  const bytes = buffers.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await file.writev(buffers, offset);
  if (bytesWritten === bytes) return;
  const rest = Buffer.concat(buffers).subarray(bytesWritten);
  for (let done = 0; done < rest.length; )
    done += (await file.write(rest, done, rest.length - done, offset + bytesWritten + done)).bytesWritten;
}
