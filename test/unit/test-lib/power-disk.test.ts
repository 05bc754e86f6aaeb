/** The disk of the power cuts: what was flushed is never lost, what was not really can be, and reads see the cache. */
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { NbdClient } from "#test/lib/nbd-client.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { diceOf } from "#test/system/lib/power-disk/random.ts";
import { PowerDisk, type PowerDiskOptions } from "#test/system/lib/power-disk.ts";

const test = suite("test-lib/power-disk");
const run = promisify(execFile);
const MIB = 1024 * 1024;

interface Bench {
  readonly disk: PowerDisk;
  readonly socket: string;
  readonly file: string;
  readonly connect: () => Promise<NbdClient>;
}

async function bench(t: TestContext, bytes: number, options: Partial<PowerDiskOptions> = {}): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), "power-disk-"));
  t.cleanup(() => rm(directory, { recursive: true, force: true }));
  const [file, socket] = [join(directory, "disk.raw"), join(directory, "nbd")];
  await writeFile(file, "");
  const handle = await open(file, "r+");
  await handle.truncate(bytes);
  await handle.close();
  const disk = await PowerDisk.open({ file, socket, flushMs: 1, ...options });
  t.cleanup(() => disk.close());
  const connect = async (): Promise<NbdClient> => {
    const client = await NbdClient.connect(socket);
    t.cleanup(() => client.close());
    return client;
  };
  return { disk, socket, file, connect };
}

const filled = (bytes: number, value: number): Buffer => Buffer.alloc(bytes, value);

test("reads see what was written, before and after a flush, at any sector", async (t) => {
  const { connect } = await bench(t, MIB);
  const client = await connect();
  assert.is(client.bytes, MIB);
  await client.write(512, filled(512, 1));
  await client.write(4096 - 512, filled(1024, 2));
  const expected = filled(8192, 0);
  expected.fill(1, 512, 1024).fill(2, 4096 - 512, 4096 + 512);
  assert.equal(await client.read(0, 8192), expected);
  await client.flush();
  assert.equal(await client.read(0, 8192), expected);
  await client.writeZeroes(512, 512);
  assert.equal(await client.read(512, 512), filled(512, 0));
});

test("what was flushed is there after a cut, and what was not can be lost", async (t) => {
  const { disk, connect } = await bench(t, MIB);
  const client = await connect();
  await client.write(0, filled(4096, 1));
  await client.flush();
  await client.write(0, filled(4096, 2));
  await client.write(8192, filled(4096, 3));
  const report = await disk.cut(1, "none");
  assert.equal([report.unflushedWrites, report.unflushedBytes, report.lost], [2, 8192, 2]);
  const after = await connect();
  assert.equal(await after.read(0, 4096), filled(4096, 1));
  assert.equal(await after.read(8192, 4096), filled(4096, 0));
});

test("a cut that loses nothing leaves every write", async (t) => {
  const { disk, connect, file } = await bench(t, MIB);
  const client = await connect();
  await client.write(512, filled(1024, 7));
  await disk.cut(1, "all");
  assert.equal((await readFile(file)).subarray(512, 1536), filled(1024, 7));
});

test("a durable write alone survives, and an older one to the same place never comes back", async (t) => {
  const { disk, connect } = await bench(t, MIB);
  for (let seed = 0; seed < 20; seed++) {
    const client = await connect();
    await client.write(0, filled(8192, 1));
    await client.write(4096, filled(4096, 2 + seed), true);
    await disk.cut(seed);
    const after = await connect();
    assert.equal(await after.read(4096, 4096), filled(4096, 2 + seed));
    after.close();
  }
});

test("a flush that is cut off has promised nothing", async (t) => {
  const { disk, connect } = await bench(t, MIB, { flushMs: 10_000 });
  const client = await connect();
  await client.write(0, filled(4096, 1));
  const flushed = client.flush().then(
    () => "flushed",
    () => "cut off",
  );
  await client.read(0, 512);
  const report = await disk.cut(1, "none");
  assert.is(report.lost, 1);
  assert.is(await flushed, "cut off");
});

test("writes are torn between sectors only, and the same seed tears them the same way", async (t) => {
  const results: string[] = [];
  for (const seed of [5, 5, 8]) {
    const { disk, connect, file } = await bench(t, MIB);
    const client = await connect();
    for (let n = 0; n < 32; n++) await client.write(n * 16_384, filled(16_384, n + 1));
    const { torn } = await disk.cut(seed);
    const bytes = await readFile(file);
    for (let at = 0; at < 512 * 1024; at += 512) {
      const sector = bytes.subarray(at, at + 512);
      assert.ok(sector.every((byte) => byte === sector[0]));
      assert.ok(sector[0] === 0 || sector[0] === Math.floor(at / 16_384) + 1);
    }
    assert.ok(torn > 0, `seed ${seed} tears something`);
    results.push(bytes.toString("base64"));
  }
  assert.is(results[0], results[1]);
  assert.is.not(results[0], results[2]);
});

test("a frozen disk shows any number of outcomes, and then has one of them", async (t) => {
  const { disk, connect, file } = await bench(t, MIB);
  const client = await connect();
  await client.write(0, filled(4096, 1));
  await client.flush();
  for (let n = 0; n < 64; n++) await client.write(n * 4096, filled(4096, n + 2));
  await disk.freeze();
  const outcomes: string[] = [];
  for (const seed of [5, 8, 11]) {
    const copy = `${file}.${seed}`;
    await copyFile(file, copy);
    await disk.outcome(seed, copy);
    outcomes.push((await readFile(copy)).toString("base64"));
  }
  assert.is(new Set(outcomes).size, 3);
  assert.equal((await readFile(file)).subarray(0, 8192), Buffer.concat([filled(4096, 1), filled(4096, 0)]));
  await disk.cut(8);
  assert.is((await readFile(file)).toString("base64"), outcomes[1]);
});

test("a disk freezes at the write that it was told, and what comes after is lost", async (t) => {
  const { disk, connect, file } = await bench(t, MIB);
  const client = await connect();
  await client.write(0, filled(512, 1));
  const frozen = disk.freezeAt(3);
  await disk.stats();
  const rest = Promise.allSettled([2, 3, 4, 5, 6].map((n) => client.write(n * 512, filled(512, n))));
  await frozen;
  const report = await disk.cut(1, "all");
  assert.is(report.unflushedWrites, 4);
  await rest;
  assert.equal((await readFile(file)).subarray(4 * 512, 7 * 512), Buffer.concat([filled(512, 4), filled(1024, 0)]));
  const early = disk.freezeAt(1000);
  await disk.stats();
  await disk.freeze();
  await early;
});

test("a disk that shall freeze when something is at stake waits until so much is in its cache", async (t) => {
  const { disk, connect } = await bench(t, MIB);
  const client = await connect();
  const frozen = disk.freezeAt(2, 3);
  await disk.stats();
  for (const n of [1, 2]) {
    await client.write(n * 512, filled(512, n));
    await client.flush();
  }
  const rest = Promise.allSettled([3, 4, 5, 6].map((n) => client.write(n * 512, filled(512, n))));
  await frozen;
  assert.is((await disk.cut(1, "none")).unflushedWrites, 3);
  await rest;
});

test("a cache that is full writes back by itself, in no order", async (t) => {
  const { disk, connect } = await bench(t, 8 * MIB, { cacheBytes: 256 * 1024 });
  const client = await connect();
  for (let n = 0; n < 512; n++) await client.write(n * 4096, filled(4096, (n % 255) + 1));
  const stats = await disk.stats();
  assert.is(stats.evictedBytes, 512 * 4096 - 256 * 1024);
  assert.ok(stats.mostVolatileBytes <= 256 * 1024);
  await disk.cut(1, "none");
  const bytes = await (await connect()).read(0, 512 * 4096);
  const there = Array.from({ length: 512 }, (_, n) => bytes[n * 4096] !== 0);
  assert.is(there.filter(Boolean).length, 512 - 64);
  assert.ok(there.slice(0, 256).includes(false), "not the oldest first");
});

test("what a disk can't do is refused, and it goes on", async (t) => {
  const { connect } = await bench(t, MIB);
  const client = await connect();
  const why = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => "done",
      (error: Error) => error.message,
    );
  assert.is(await why(client.read(100, 512)), "error 22");
  assert.is(await why(client.read(MIB, 512)), "error 22");
  assert.is(await why(client.write(MIB - 512, filled(1024, 1))), "error 28");
  assert.is(await why(client.trim(0, MIB)), "done");
  assert.equal(await client.read(0, 512), filled(512, 0));
});

/** Each sector holds the number of the write that made it; the model knows which numbers may be there after a cut. */
class Model {
  readonly allowed: number[][];

  constructor(sectors: number) {
    this.allowed = Array.from({ length: sectors }, () => [0]);
  }

  write(from: number, count: number, number: number): void {
    for (let sector = from; sector < from + count; sector++) this.allowed[sector]?.push(number);
  }

  /** What there was by `position` is the least that may come back. */
  durable(position: number): void {
    this.allowed.forEach((numbers, sector) => {
      const last = numbers.findLastIndex((number) => number < position);
      if (last > 0) this.allowed[sector] = numbers.slice(last);
    });
  }

  current(sector: number): number {
    return this.allowed[sector]?.at(-1) ?? 0;
  }
}

function sectors(count: number, number: number): Buffer {
  const bytes = Buffer.alloc(count * 512);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(number, at);
  return bytes;
}

test(
  "whatever is done to it and whenever it is cut, each sector is its last durable version or one written since",
  async (t) => {
    const SECTORS = 256;
    const outcomes = { kept: 0, lost: 0, between: 0 };
    for (let seed = 1; seed <= 12; seed++) {
      const dice = diceOf(seed);
      const { disk, connect, file } = await bench(t, SECTORS * 512, { seed, cacheBytes: dice.pick([4096, 16_384, MIB]), flushMs: 0.5 });
      const model = new Model(SECTORS);
      let number = 1;
      for (let round = 0; round < 12; round++) {
        const client = await connect();
        const write = async (): Promise<void> => {
          const from = dice.below(SECTORS);
          const count = 1 + dice.below(Math.min(24, SECTORS - from));
          const mine = number++;
          const isDurable = dice.next() < 0.1;
          model.write(from, count, mine);
          await client.write(from * 512, sectors(count, mine), isDurable);
          if (!isDurable) return;
          for (let sector = from; sector < from + count; sector++) {
            const numbers = model.allowed[sector] ?? [];
            model.allowed[sector] = numbers.slice(numbers.indexOf(mine));
          }
        };
        for (let step = 0; step < 20; step++) {
          const chance = dice.next();
          if (chance < 0.6) await Promise.all(Array.from({ length: 1 + dice.below(4) }, write));
          else if (chance < 0.75) {
            const position = number;
            await Promise.all([client.flush(), write(), write()]);
            model.durable(position);
          } else {
            const from = dice.below(SECTORS);
            const count = 1 + dice.below(SECTORS - from);
            const bytes = await client.read(from * 512, count * 512);
            for (let n = 0; n < count; n++)
              assert.is(bytes.readUInt32LE(n * 512), model.current(from + n), `seed ${seed}, sector ${from + n}`);
          }
        }
        await disk.cut(seed * 1000 + round, dice.next() < 0.8 ? "random" : dice.pick(["none", "all"]));
        const bytes = await readFile(file);
        for (let sector = 0; sector < SECTORS; sector++) {
          const numbers = model.allowed[sector] ?? [];
          const seen = bytes.readUInt32LE(sector * 512);
          assert.ok(bytes.subarray(sector * 512, sector * 512 + 512).equals(sectors(1, seen)), "a sector is whole");
          assert.ok(numbers.includes(seen), `seed ${seed}, round ${round}, sector ${sector}: ${seen} is none of ${numbers.join(" ")}`);
          if (numbers.length > 1) outcomes[seen === numbers.at(-1) ? "kept" : seen === numbers[0] ? "lost" : "between"]++;
          model.allowed[sector] = [seen];
        }
        client.close();
      }
      await disk.close();
    }
    assert.ok(
      Object.values(outcomes).every((count) => count > 0),
      `all that a disk may do was done: ${JSON.stringify(outcomes)}`,
    );
  },
  { timeoutMs: 120_000 },
);

async function hasQemu(): Promise<boolean> {
  return run("qemu-io", ["--version"]).then(
    () => true,
    () => false,
  );
}

test("qemu's own tools read, write, flush and compare it", async (t) => {
  if (!(await hasQemu())) t.skip("qemu-utils is not installed");
  const { disk, socket, file } = await bench(t, 16 * MIB);
  const uri = `nbd+unix:///?socket=${socket}`;
  const io = async (...commands: string[]): Promise<string> =>
    (await run("qemu-io", ["-f", "raw", "-t", "writeback", ...commands.flatMap((command) => ["-c", command]), uri])).stdout;
  await io("write -P 17 1M 3M", "write -z 2M 64k", "write -P 18 512 512", "flush");
  const seen = await io("read -v 0 1024", "read -P 17 1M 1M", "read -P 0 2M 64k", "read -P 18 512 512");
  assert.not.match(seen, /verification failed/i);
  await disk.cut(3, "none");
  const { stdout } = await run("qemu-img", ["compare", "-f", "raw", "-F", "raw", uri, file]);
  assert.match(stdout, /identical/);
  // Ends without a flush: what qemu-io has written with -f alone stays in the cache until it closes, which flushes.
  assert.match((await run("qemu-img", ["info", uri])).stdout, /16 MiB/);
});
