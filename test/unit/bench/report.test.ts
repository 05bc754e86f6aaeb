/** The documents that the bench writes: promises are judged by figures that were measured, in full. */
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { table } from "../../bench/measure/table.ts";
import type { PartResult } from "../../bench/part.ts";
import { BEGIN, END, page, promises, withPromises } from "../../bench/report/page.ts";
import { judge, PROMISES } from "../../bench/report/promises.ts";
import { merge } from "../../bench/report/store.ts";

const test = suite("bench/report");

function result(name: string, figures: Record<string, number>, more: Partial<PartResult> = {}): PartResult {
  return {
    name,
    title: `Part ${name}`,
    at: "2026-01-02T03:04:05.678Z",
    quick: false,
    seconds: 1,
    machine: {
      cpu: "Z80",
      cpus: 2,
      memoryMib: 24_000,
      system: "Debian GNU/Linux 12, Linux 6.1",
      commit: "abc1234",
      versions: ["crun 1.8"],
    },
    about: "How.",
    tables: [
      {
        rows: [
          ["what", "ms"],
          ["lightv", "1.5"],
        ],
      },
    ],
    figures,
    ...more,
  };
}

const judged = (results: PartResult[], part: string, nth = 0) => judge(results).filter(({ promise }) => promise.part === part)[nth];

test("a promise is kept from its bound on, and missed beyond", () => {
  const docker = (value: number) => judged([result("start", { dockerToHot: value })], "start");
  assert.equal([docker(154)?.kept, docker(153.9)?.kept], [true, false]);
  const bare = (value: number) => judged([result("start", { hotToBare: value })], "start", 1);
  assert.equal([bare(2.5)?.kept, bare(2.51)?.kept], [true, false]);
});

test("what was not measured is pending, also when only half of it was", () => {
  assert.is(judged([], "start")?.figure, undefined);
  assert.is(judged([result("churn", { lastToFirst: 1 })], "churn")?.figure, undefined);
  assert.ok(judged([result("churn", { lastToFirst: 1, failures: 0 })], "churn")?.kept);
  assert.not(judged([result("churn", { lastToFirst: 1, failures: 1 })], "churn")?.kept);
  assert.not(judged([result("churn", { lastToFirst: 2.1, failures: 0 })], "churn")?.kept);
});

test("a quick look decides no promise", () => {
  assert.is(judged([result("start", { dockerToHot: 500 }, { quick: true })], "start")?.figure, undefined);
});

test("every promise fails for bad figures and holds for good ones", () => {
  for (const { what, figures, holds } of PROMISES) {
    const bad = [Number.NaN, 1e6, -1].map((value) => holds(...figures.map(() => value)));
    assert.ok(bad.includes(false), what);
    assert.not(holds(...figures.map(() => Number.NaN)), `${what}: nothing measured`);
    assert.ok(
      [0, 1, 1e6].some((value) => holds(...figures.map(() => value))),
      what,
    );
  }
});

test("the table of promises tells pending, kept and missed apart", () => {
  const text = promises([result("start", { dockerToHot: 160, hotToBare: 3, crunToCold: 3.5 })]);
  const lines = text.split("\n");
  assert.match(lines[2] ?? "", /\| at least 154 \| 160 x \| `npm run bench -- --only start` \|/);
  assert.match(lines[3] ?? "", /\| 3\.00 x: \*\*missed\*\* \|/);
  assert.match(lines[5] ?? "", /\| pending \|/);
});

test("only the part between the marks of a document is replaced, again and again", () => {
  const document = `# Title\n\n${BEGIN}\n${END}\n\n## Rest\n`;
  const once = withPromises(document, []);
  assert.match(once, /^# Title\n/);
  assert.match(once, /## Rest\n$/);
  assert.is(withPromises(once, []), once);
  assert.throws(() => withPromises("# Title\n", []), /no place/);
});

test("a part that is measured again replaces its old result; the others stay, in the order of the parts", () => {
  const old = [result("b", { x: 1 }), result("a", { x: 1 })];
  const merged = merge(old, [result("b", { x: 2 }), result("c", { x: 3 })], ["a", "b", "c"]);
  assert.equal(
    merged.map(({ name, figures }) => [name, figures.x]),
    [
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ],
  );
});

test("the page has machine, date, commit, tables, plots and what was left out", () => {
  const plot = { kind: "bars", name: "start", title: "Starts", unit: "ms", bars: [] } as const;
  const text = page([result("start", {}, { plots: [plot], notes: ["podman: missing"] })], "benchmarks");
  for (const part of [
    /2 x Z80, 23 GiB, Debian GNU\/Linux 12, Linux 6\.1; crun 1\.8/,
    /2026-01-02, commit abc1234/,
    /lightv +1\.5/,
    /!\[Starts\]\(benchmarks\/start\.svg\)/,
    /- podman: missing/,
  ])
    assert.match(text, part);
  assert.not.match(text, /quick look\.\*/);
});

test("results of different machines say so one by one", () => {
  const other = result("agent", {});
  const text = page([result("start", {}), { ...other, machine: { ...other.machine, cpu: "6502" } }], "benchmarks");
  assert.is([...text.matchAll(/2 x (Z80|6502)/g)].length, 2);
  assert.ok(text.indexOf("Z80") > text.indexOf("## Part start"), "below its part, not above all");
});

test("tables have their numbers to the right", () => {
  assert.is(
    table([
      ["name", "ms"],
      ["a", "1,234"],
      ["bcd", "5"],
    ]),
    "name  ms\na     1,234\nbcd       5",
  );
});
