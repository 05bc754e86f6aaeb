/** Statistics and the order of runs: wrong ones would look like figures all the same. */
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { known, number, quotient } from "../../bench/measure/format.ts";
import { interleave, randomNumbers, shuffled } from "../../bench/measure/order.ts";
import { median, quantile, summarize } from "../../bench/measure/stats.ts";

const test = suite("bench/stats");
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

test("quantiles are nearest ranks of the sorted samples, whatever their order", () => {
  const samples = shuffled(upTo(100), randomNumbers(3));
  assert.equal(
    [0, 0.01, 0.5, 0.9, 0.99, 1].map((share) => quantile(samples, share)),
    [1, 1, 50, 90, 99, 100],
  );
  assert.equal([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])], [2, 2, 7]);
  assert.equal(samples.length, 100, "and the samples are left as they were");
});

test("numbers are sorted as numbers", () => {
  assert.is(median([100, 9, 20]), 20);
  assert.equal(summarize([100, 9, 20]), { runs: 3, min: 9, median: 20, p90: 100, p99: 100 });
});

test("nothing measured is no number, and makes no figure", () => {
  const { runs, ...rest } = summarize([]);
  assert.is(runs, 0);
  for (const value of Object.values(rest)) assert.ok(Number.isNaN(value));
  assert.equal(known({ a: 1, b: Number.NaN, c: undefined, d: quotient(1, 0), e: quotient(undefined, 2), f: 0 }), { a: 1, f: 0 });
});

test("every contestant runs in every round, before anybody runs in the next", () => {
  const order = interleave([30, 30, 30, 30]);
  assert.is(order.length, 120);
  for (let i = 0; i < order.length; i += 4) assert.equal(order.slice(i, i + 4).sort(), [0, 1, 2, 3]);
});

test("the order within rounds changes, so that nobody always runs after the same one, and is the same in the next run of the bench", () => {
  const order = interleave([60, 60, 60]);
  const rounds = new Set(Array.from({ length: 60 }, (_, i) => order.slice(3 * i, 3 * i + 3).join()));
  assert.is(rounds.size, 6, "all orders of three");
  const firsts = [0, 1, 2].map((who) => order.filter((one, i) => i % 3 === 0 && one === who).length);
  assert.ok(Math.min(...firsts) >= 10, `each is first now and then: ${firsts}`);
  assert.equal(interleave([60, 60, 60]), order);
});

test("who runs less often is spread over the whole time", () => {
  const order = interleave([10, 2]);
  assert.equal([order.filter((who) => who === 0).length, order.filter((who) => who === 1).length], [10, 2]);
  const places = order.flatMap((who, i) => (who === 1 ? [i] : []));
  assert.ok((places[0] ?? 0) < 6 && (places[1] ?? 0) >= 6, `one in each half: ${places}`);
  assert.equal(interleave([]), []);
  assert.equal(interleave([0, 3]), [1, 1, 1]);
});

test("a shuffle loses and doubles nothing", () => {
  assert.equal(
    shuffled(upTo(50), randomNumbers(9)).sort((a, b) => a - b),
    upTo(50),
  );
});

test("numbers are written with three digits that count", () => {
  assert.equal([0, 0.0123, 1.234, 12.34, 123.4, 1234.5, 1_234_567, -2.345, Number.NaN].map(number), [
    "0",
    "0.012",
    "1.23",
    "12.3",
    "123",
    "1,235",
    "1,234,567",
    "-2.35",
    "-",
  ]);
});
