/** The documents in the tree are what the kept numbers give: nobody wrote a figure by hand. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { fileOf, page, withPromises } from "../../bench/report/page.ts";
import { draw, FOLDER, readResults } from "../../bench/report/store.ts";

const test = suite("bench/documents");
const docs = join(resolve(dirname(fileURLToPath(import.meta.url)), "../../.."), "docs");
const read = (file: string): string => readFileSync(join(docs, file), "utf8");
const results = readResults(docs);

test("docs/benchmarks.md is what `npm run bench -- --render` writes", () => {
  assert.is(read("benchmarks.md"), page(results, FOLDER));
});

test("so is the table in docs/SPECIFICATION.md", () => {
  assert.is(read("SPECIFICATION.md"), withPromises(read("SPECIFICATION.md"), results));
});

test("so is every plot, and there is none that no result has", () => {
  const plots = results.flatMap(({ plots: some = [] }) => some);
  for (const plot of plots) assert.is(read(join(FOLDER, fileOf(plot))), draw(plot));
  const drawn = existsSync(join(docs, FOLDER)) ? readdirSync(join(docs, FOLDER)).filter((file) => file.endsWith(".svg")) : [];
  assert.equal(drawn.sort(), plots.map(fileOf).sort());
});
