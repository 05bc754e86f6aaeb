/** Results on disk: one part can be measured again while the others stay. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PartResult, Plot } from "../part.ts";
import { barPlot } from "./bar-plot.ts";
import { linePlot } from "./line-plot.ts";
import { fileOf, page, withPromises } from "./page.ts";

/** Below docs/. */
export const FOLDER = "benchmarks";

/** New results in the place of the old ones of their parts, in the order of `names`. */
export function merge(old: readonly PartResult[], fresh: readonly PartResult[], names: readonly string[]): PartResult[] {
  return names.flatMap((name) => fresh.find((one) => one.name === name) ?? old.find((one) => one.name === name) ?? []);
}

export function draw(plot: Plot): string {
  return plot.kind === "bars" ? barPlot(plot) : linePlot(plot);
}

function resultsFile(docs: string): string {
  return join(docs, FOLDER, "results.json");
}

export function readResults(docs: string): PartResult[] {
  const file = resultsFile(docs);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as PartResult[]) : [];
}

/** `docs` gets benchmarks.md and benchmarks/; SPECIFICATION.md gets its table when there is one. */
export function writeDocuments(docs: string, fresh: readonly PartResult[], names: readonly string[]): void {
  const folder = join(docs, FOLDER);
  mkdirSync(folder, { recursive: true });
  const results = merge(readResults(docs), fresh, names);
  writeFileSync(resultsFile(docs), `${JSON.stringify(results, null, 1)}\n`);
  for (const { plots = [] } of results) for (const plot of plots) writeFileSync(join(folder, fileOf(plot)), draw(plot));
  writeFileSync(join(docs, "benchmarks.md"), page(results, FOLDER));
  const specification = join(docs, "SPECIFICATION.md");
  if (existsSync(specification)) writeFileSync(specification, withPromises(readFileSync(specification, "utf8"), results));
}
