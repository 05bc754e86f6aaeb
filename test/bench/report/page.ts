/** docs/benchmarks.md, and the table of promises in docs/SPECIFICATION.md. Pure. */
import { table } from "../measure/table.ts";
import type { Machine, PartResult, Plot } from "../part.ts";
import { judge } from "./promises.ts";

export function fileOf(plot: Plot): string {
  return `${plot.name}.svg`;
}

/** `folder` is where the plots are, seen from the page. */
export function page(results: readonly PartResult[], folder: string): string {
  const first = results[0]?.machine;
  const alike = first !== undefined && results.every(({ machine }) => machineText(machine) === machineText(first));
  const sections = results.map((result) => section(result, folder, alike));
  const intro = `Written by \`npm run bench\` (\`-- --long\` for the parts that take ten minutes, \`-- --only NAME\` for one, \`-- --help\` for the rest); the numbers are kept in
[${folder}/results.json](${folder}/results.json). Absolute times are those of one machine; what counts are the ratios of contestants in one run. Times are milliseconds, MB are millions of bytes.
Contestants take turns run by run, each round in another order. A part that was measured in a quick look says so, and decides no promise.`;
  const where = alike ? `${machineText(first)}\n\n` : "";
  return `# Benchmarks\n\n${intro}\n\n${where}## Promises\n\n${promises(results)}${sections.join("")}`;
}

function section(result: PartResult, folder: string, alike: boolean): string {
  const { name, title, at, quick, machine, about, tables, plots = [], notes = [] } = result;
  const when = `*\`${name}\`, ${at.slice(0, 10)}, commit ${machine.commit}${quick ? ", a quick look" : ""}.*`;
  const where = alike ? "" : `${machineText(machine)}\n\n`;
  const bodies = tables.map(({ rows }) => `\`\`\`\n${table(rows)}\n\`\`\`\n`);
  const pictures = plots.map((plot) => `![${plot.title}](${folder}/${fileOf(plot)})\n`);
  const remarks = notes.length > 0 ? [`${notes.map((note) => `- ${note}`).join("\n")}\n`] : [];
  return `\n## ${title}\n\n${about}\n\n${when}\n\n${where}${[...bodies, ...pictures, ...remarks].join("\n")}`;
}

function machineText({ cpus, cpu, memoryMib, system, versions }: Machine): string {
  return `${cpus} x ${cpu}, ${Math.round(memoryMib / 1024)} GiB, ${system}; ${versions.join("; ")}`;
}

/** A Markdown table; what was not measured is pending, what is missed says so. */
export function promises(results: readonly PartResult[]): string {
  const rows = judge(results).map(({ promise, figure, kept }) => {
    const state = figure === undefined ? "pending" : kept ? figure : `${figure}: **missed**`;
    return `| ${promise.what} | ${promise.bar} | ${state} | \`npm run bench -- --only ${promise.part}\` |`;
  });
  return `| what | bar | figure | shown by |\n|---|---|---|---|\n${rows.join("\n")}\n`;
}

export const BEGIN = "<!-- written by npm run bench -->";
export const END = "<!-- end of what npm run bench writes -->";

/** The document with what stands between the two marks replaced. Throws when they are not there. */
export function withPromises(document: string, results: readonly PartResult[]): string {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`the document has no place for the figures: "${BEGIN}" and "${END}"`);
  return `${document.slice(0, from)}${BEGIN}\n\n${promises(results)}\n${document.slice(to)}`;
}
