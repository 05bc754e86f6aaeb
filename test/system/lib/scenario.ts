/** What every scenario file begins with. The runner (test/system/main.ts) tells the platform and how much to do by the environment. */

import { type Suite, suite } from "#test/lib/suite.ts";
import { PLATFORMS, type Platform } from "./recipe.ts";
import { rootFs } from "./rootfs.ts";
import { Site } from "./site.ts";

const wanted = process.env.LIGHTV_SYSTEM_PLATFORM;
export const PLATFORM: Platform = PLATFORMS.find((platform) => platform === wanted) ?? "amd64";
/** --all: also what takes hours. */
export const ALL = process.env.LIGHTV_SYSTEM_ALL === "1";
/** Time limit of a test: emulated devices take minutes to boot on a busy machine. */
export const LONG = { timeoutMs: ALL ? 4 * 3_600_000 : 20 * 60_000 };

/** How often the device of hard.test.ts is restarted. */
export const REBOOTS = Number(process.env.LIGHTV_SYSTEM_REBOOTS ?? (ALL ? 100 : 3));

/** How long hard.test.ts keeps a device from its network. */
export const AWAY_MINUTES = Number(process.env.LIGHTV_SYSTEM_AWAY_MINUTES ?? (ALL ? 60 : 2));

const started = performance.now();

/** The suite of a scenario file; with --case, only of those cases whose names hold the text. */
export function scenarios(file: string): Suite {
  const test = suite(`system/${PLATFORM}/${file}`);
  const text = process.env.LIGHTV_SYSTEM_CASE ?? "";
  const some: Suite = Object.assign((...[name, body, options]: Parameters<Suite>) => {
    if (name.includes(text)) test(name, body, options);
  }, test);
  return some;
}

/** A line of progress, seen at once. */
export function say(line: string): void {
  process.stderr.write(`        ${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
}

/** Rows under a title, seen at once: what was measured. */
export function table(title: string, rows: readonly (readonly [string, ...(string | number)[]])[]): void {
  const cells = rows.map((row) => row.map(String));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ");
  process.stderr.write(`\n        ${title}\n${cells.map((row) => `          ${line(row)}\n`).join("")}\n`);
}

/** A controller on this machine for devices of the platform under test. */
export async function openSite(): Promise<Site> {
  const site = new Site(await rootFs(PLATFORM, say));
  await site.start().catch(async (error: unknown) => {
    await site.close();
    throw error;
  });
  return site;
}

/** An image of a web server that answers with `text` at port `port` of the device. */
export const webImage = (name: string, text: string, port = 8080) => ({
  name,
  cmd: ["/bin/busybox", "httpd", "-f", "-p", String(port), "-h", "/www"],
  files: { "/www/index.html": `${text}\n` },
});

/** What a URL answers; undefined while nobody does. */
export async function page(url: string): Promise<string | undefined> {
  return fetch(url, { signal: AbortSignal.timeout(5000), headers: { connection: "close" } })
    .then(async (answer) => (answer.ok ? (await answer.text()).trim() : undefined))
    .catch(() => undefined);
}
