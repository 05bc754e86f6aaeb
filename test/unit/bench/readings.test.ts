/** What the bench reads from programs and the kernel, and what it concludes. */
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { Undo } from "../../bench/arena/undo.ts";
import { changes } from "../../bench/measure/counters.ts";
import { parseRollup } from "../../bench/measure/memory.ts";
import { gather, parseBurst, wholeTime } from "../../bench/measure/race.ts";
import { parseOptions } from "../../bench/options.ts";
import { byMinute } from "../../bench/parts/churn.ts";
import { noMore } from "../../bench/parts/density/crowd.ts";
import { each, startAround } from "../../bench/parts/density.ts";
import { parseOpenssl } from "../../bench/parts/overhead.ts";
import { latest } from "../../bench/parts/small-agent.ts";

const test = suite("bench/readings");

test("runs that fail are counted, and their times are no samples", () => {
  const { samples, failures } = gather("0 2000000 0\n1 9000000 125\n0 4000000 0\nnoise\n7 1 0\n1 5000000 0\n", 2);
  assert.equal(
    [samples, failures],
    [
      [[2, 4], [5]],
      [0, 1],
    ],
  );
});

test("a burst is over when the last of its runs is", () => {
  const runs = parseBurst("0 9000000 0\n5000000 1000000 0\n8000000 4000000 1\n");
  assert.equal(
    runs.map(({ ok }) => ok),
    [true, true, false],
  );
  assert.is(wholeTime(runs), 12);
});

test("runs belong to the minute in which they were due, also when they end later", () => {
  const at = (ms: number) => ({ at: ms, took: 70_000, ok: true });
  assert.equal(
    byMinute([at(0), at(59_999), at(60_000), at(200_000)]).map((minute) => minute.length),
    [2, 1, 0, 1],
  );
});

test("private memory is clean and dirty, not shared", () => {
  const text = "Rss: 100 kB\nPss: 50 kB\nPss_Dirty: 7 kB\nShared_Clean: 60 kB\nPrivate_Clean: 10 kB\nPrivate_Dirty: 20 kB\n";
  assert.equal(parseRollup(text), { rss: 102_400, pss: 51_200, private: 30_720 });
});

test("the start of the n-th is the median of the ten up to it, and none when there are fewer", () => {
  const times = Array.from({ length: 1000 }, (_, i) => i + 1);
  assert.equal([startAround(times, 10), startAround(times, 1000)], [5, 995]);
  assert.ok(Number.isNaN(startAround(times.slice(0, 999), 1000)));
});

test("memory is no figure where others' noise was greater than it", () => {
  const processes = { pss: 0, private: 0, rss: 0 };
  const levels = [
    { count: 10, used: -5e6, processes },
    { count: 100, used: 5e7, processes },
  ];
  assert.equal(
    [each({ levels }, 10), each({ levels }, 100), each({ levels }, 1000), each(undefined, 100)],
    [undefined, 5e5, undefined, undefined],
  );
});

test("of the pool's status the numbers that moved are told", () => {
  const before = { pid: 7, starts: { hot: 1, cold: 2 }, images: [{ ready: 3 }], text: "x" };
  const after = { pid: 7, starts: { hot: 61, cold: 2 }, images: [{ ready: 2 }], text: "y" };
  assert.is(changes(before, after), "starts.hot +60, images.0.ready -1");
  assert.is(changes(before, before), undefined);
  assert.is(changes(undefined, { hot: 5 }), "hot +5", "it began with the part");
  assert.is(changes(undefined, undefined), undefined);
});

test("no more sandboxes are started than memory, time and failures allow", () => {
  const gib = 2 ** 30;
  const ask = (failures: number, used: number, late: boolean) => noMore(failures, 100, 1000, used, 8 * gib, 100, late, 8 * gib);
  assert.is(ask(0, gib, false), undefined);
  assert.is(ask(1, gib, false), "a start failed");
  assert.is(ask(0, 4 * gib, false), "memory");
  assert.is(ask(0, gib, true), "time");
  assert.is(noMore(0, 950, 1000, gib, 8 * gib, 100, false, 8 * gib), "1000 is enough");
});

test("the speed of openssl is read from its last line, as time for a kilobyte", () => {
  const output = "type 16384 bytes\nsha256          500000.00k\n";
  assert.is(parseOpenssl(output), 2000);
  assert.ok(Number.isNaN(parseOpenssl("openssl: no such algorithm\n")));
});

test("a heartbeat that never came is late too", () => {
  assert.is(latest([0, 5000, 10_400], 12_000, 5000), 400);
  assert.is(latest([0, 5000], 30_000, 5000), 20_000);
  assert.is(latest([0, 4000], 6000, 5000), 0);
});

test("all is undone in reverse order, also what comes after a failure, and once", async () => {
  const undo = new Undo();
  const done: string[] = [];
  undo.add("first", () => done.push("first"));
  undo.add("second", () => {
    throw new Error("stuck");
  });
  undo.add("third", async () => done.push("third"));
  assert.equal(await undo.all(), ["second: stuck"]);
  assert.equal(await undo.all(), []);
  assert.equal(done, ["third", "first"]);
});

test("a quick look writes no documents unless it is told where, and wrong arguments are refused", () => {
  const parts = ["start", "agent"];
  assert.equal(parseOptions([], parts), { quick: false, long: false, help: false, render: false, only: [], write: "docs" });
  assert.is(parseOptions(["--quick"], parts).write, "nowhere");
  assert.equal(parseOptions(["--quick", "--out", "x", "--only", "agent"], parts).write, { directory: "x" });
  assert.throws(() => parseOptions(["--only", "boat"], parts), /no part is called boat: there are start agent/);
  assert.throws(() => parseOptions(["--only"], parts), /needs a value/);
  assert.throws(() => parseOptions(["--fast"], parts), /unknown argument --fast/);
});
