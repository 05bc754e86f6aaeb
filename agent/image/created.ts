/** The times of an image: those of its input, held down by SOURCE_DATE_EPOCH (reproducible-builds.org). */
import { LightvError } from "#agent/lib/errors.ts";
import type { Node, Tree } from "./tree.ts";

/** Seconds since 1970, or undefined when it is not set. Throws LV_USAGE. */
export function parseSourceDateEpoch(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new LightvError("LV_USAGE", `SOURCE_DATE_EPOCH is "${text}"`, { hint: "it takes seconds since 1970, digits only" });
}

/** No entry is newer than `epoch` afterwards. Gives the newest time that is left, in whole seconds, and never before 1970. */
export function capTimes(tree: Tree, epoch: number | undefined): number {
  let newest = 0;
  const visit = (node: Node): void => {
    if (epoch !== undefined && (node.mtime > epoch || (node.mtime === epoch && node.mtimeNs > 0)))
      Object.assign(node, { mtime: epoch, mtimeNs: 0 });
    newest = Math.max(newest, node.mtime);
    if (node.kind === "directory") for (const { node: child } of node.children.values()) visit(child);
  };
  visit(tree.root);
  return newest;
}

/** RFC 3339 of whole seconds. A time beyond the year 9999 has no such form and becomes its last second. */
export function createdAt(seconds: number): string {
  return `${new Date(Math.min(seconds, 253_402_300_799) * 1000).toISOString().slice(0, 19)}Z`;
}
