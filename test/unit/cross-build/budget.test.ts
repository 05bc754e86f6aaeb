/** What a package may weigh. */
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { BUDGET, overweight, weigh, weightTable } from "../../../cross-build/package/budget.ts";

const test = suite("cross-build/budget");
const files: [string, number][] = [
  ["bin/lightv", 3_000_000],
  ["bin/lightvd", 500],
  ["lib/lightv/node", 115_000_000],
  ["lib/lightv/lightv.node", 1_500_000],
  ["lib/lightv/chunks/a.mjs", 1_000],
  ["share/man/man1/lightv.1.gz", 10],
];

test("every file counts once, Node apart", () => {
  const weights = weigh(files);
  assert.is(
    weights.reduce((sum, { bytes }) => sum + bytes, 0),
    files.reduce((sum, [, bytes]) => sum + bytes, 0),
  );
  assert.is(weights.find(({ part }) => part === "Node")?.bytes, 115_000_000);
  assert.is(weights.find(({ part }) => part === "addon")?.bytes, 1_500_000);
});

test("what fits is not complained about, to the byte", () => {
  assert.equal(overweight(weigh(files), BUDGET.deb), []);
  assert.is(overweight(weigh(files), BUDGET.deb + 1).length, 1);
});

test("each bar is one complaint that names both numbers", () => {
  const heavy = weigh([...files, ["lib/lightv/huge.mjs", 12_000_000]]);
  assert.equal(overweight(heavy, 1), [
    "what is installed has 131.50 MB, 130.00 MB are allowed",
    "what is not Node has 16.50 MB, 8.00 MB are allowed",
  ]);
});

test("the table has a row for each part and file", () => {
  assert.match(
    weightTable("arm64", weigh(files), [{ part: ".deb", bytes: 27_000_000 }]),
    /arm64 {2}installed +119\.50 MB\n.*arm64 {2}\.deb +27\.00 MB$/,
  );
});
