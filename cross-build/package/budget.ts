/** What a package may weigh: devices are short of flash, and updates go over mobile networks. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { walk } from "./archive.ts";

const MB = 1_000_000;

/** Bytes, of the package of a device. */
export const BUDGET = { deb: 35 * MB, installed: 130 * MB, withoutNode: 8 * MB } as const;

export interface Weight {
  readonly part: string;
  readonly bytes: number;
}

/** Where a file of an installed tree counts, by its path; the first that fits. */
const PARTS: readonly (readonly [string, RegExp])[] = [
  ["Node", /(^|\/)lib\/lightv\/node$/],
  ["lightv", /(^|\/)bin\/lightv$/],
  ["addon", /\.node$/],
  ["bundles", /\.mjs$/],
  ["manual, completion, licences", /(^|\/)share\//],
  ["all else", /^/],
];

/** Pure: the files of a tree, by part; the parts in their order. */
export function weigh(files: readonly (readonly [path: string, bytes: number])[]): Weight[] {
  const sums = new Map(PARTS.map(([part]) => [part, 0]));
  for (const [path, bytes] of files) {
    const part = PARTS.find(([, pattern]) => pattern.test(path))?.[0] ?? "all else";
    sums.set(part, (sums.get(part) ?? 0) + bytes);
  }
  return [...sums].map(([part, bytes]) => ({ part, bytes }));
}

/** Sizes of the regular files below a directory. */
export function fileSizes(root: string): [string, number][] {
  return [...walk(root)].flatMap((path): [string, number][] => {
    const stats = lstatSync(join(root, path));
    return stats.isFile() ? [[path, stats.size]] : [];
  });
}

/** Pure: what is too heavy, one sentence each. */
export function overweight(weights: readonly Weight[], debBytes: number): string[] {
  const installed = weights.reduce((sum, { bytes }) => sum + bytes, 0);
  const node = weights.find(({ part }) => part === "Node")?.bytes ?? 0;
  const found: [string, number, number][] = [
    ["the .deb", debBytes, BUDGET.deb],
    ["what is installed", installed, BUDGET.installed],
    ["what is not Node", installed - node, BUDGET.withoutNode],
  ];
  return found
    .filter(([, is, may]) => is > may)
    .map(([what, is, may]) => `${what} has ${megabytes(is)} MB, ${megabytes(may)} MB are allowed`);
}

/** Pure. */
export function weightTable(architecture: string, weights: readonly Weight[], files: readonly Weight[]): string {
  const installed = weights.reduce((sum, { bytes }) => sum + bytes, 0);
  const rows = [...weights, { part: "installed", bytes: installed }, ...files];
  return rows.map(({ part, bytes }) => `       ${architecture}  ${part.padEnd(34)} ${megabytes(bytes).padStart(8)} MB`).join("\n");
}

function megabytes(bytes: number): string {
  return (bytes / MB).toFixed(2);
}
