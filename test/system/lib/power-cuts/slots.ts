/** What must hold of the agent's slots at any moment at which the power may have gone: the record can be read, and names whole trees. */
import { createHash } from "node:crypto";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseSlotState, type SlotState } from "#agent/update/state.ts";

/** Path in the tree to SHA-256; of Node, which payloads do not have, only whether it is there: as a file, or as a link to the installed one. */
export type TreeHashes = ReadonlyMap<string, string>;

/** What the controller knows of the device's agent. */
export interface PromisedAgent {
  /** Version of the installed package. */
  readonly base: string;
  /** Payload that the device has told to be in force; undefined: none yet. */
  readonly inForce: string | undefined;
  /** Payload that it shall have. */
  readonly wanted: string | undefined;
  readonly trees: ReadonlyMap<string, TreeHashes>;
}

export interface Slots {
  /** state.json; undefined when there is none. */
  readonly record: string | undefined;
  readonly names: readonly string[];
  readonly trees: Readonly<Record<"a" | "b", TreeHashes>>;
}

const NODE = "lib/lightv/node";
const INSTALLED_NODE = "/usr/lib/lightv/node";

export async function hashTree(tree: string): Promise<TreeHashes> {
  const hashes = new Map<string, string>();
  const entries = await readdir(tree, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries.filter((one) => !one.isDirectory())) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(tree, path);
    if (name === NODE) hashes.set(name, (await isNode(entry.isSymbolicLink(), path)) ? "something" : "nothing");
    else
      hashes.set(
        name,
        createHash("sha256")
          .update(await readFile(path))
          .digest("hex"),
      );
  }
  return hashes;
}

/** A link leads to a place on the device's disk, not on ours. */
async function isNode(isLink: boolean, path: string): Promise<boolean> {
  return isLink ? (await readlink(path)) === INSTALLED_NODE : (await stat(path)).size > 0;
}

/** `directory`: ROOT/agent/slots of a disk that is mounted here. */
export async function readSlots(directory: string): Promise<Slots> {
  const record = await readFile(join(directory, "state.json"), "utf8").catch(() => undefined);
  const names = await readdir(directory).catch(() => []);
  return { record, names, trees: { a: await hashTree(join(directory, "a")), b: await hashTree(join(directory, "b")) } };
}

/** Gives complaints. Pure. */
export function checkSlots({ record, names, trees }: Slots, promised: PromisedAgent): string[] {
  const complaints: string[] = names.includes("state.json.damaged") ? ["the slots' record was found damaged"] : [];
  const { inForce } = promised;
  if (record === undefined)
    return inForce === undefined ? complaints : [...complaints, `there is no record of slots, ${inForce} was in force`];
  const state = parseSlotState(record);
  if (state === undefined) return [...complaints, `the slots' record is damaged: ${JSON.stringify(record.slice(0, 200))}`];
  if (state.base !== promised.base) complaints.push(`the slots' record is of base ${state.base}, not ${promised.base}`);
  return [...complaints, ...checkCommitted(state, promised), ...checkTrees(state, trees, promised)];
}

/** In force is what the device has told, or what it was about to tell. */
function checkCommitted(state: SlotState, { inForce, wanted }: PromisedAgent): string[] {
  const digest = state.committed === "usr" ? undefined : state.proven?.[state.committed]?.digest;
  if (state.committed !== "usr" && digest === undefined) return [`slot ${state.committed} is in force, and was never proven`];
  return digest === inForce || (digest !== undefined && digest === wanted)
    ? []
    : [`${digest} is in force on the disk, ${inForce} was told`];
}

function checkTrees(state: SlotState, trees: Slots["trees"], { trees: made }: PromisedAgent): string[] {
  const named = (["a", "b"] as const).map((slot) => [slot, state.proven?.[slot]?.digest] as const);
  if (state.trial) named.push([state.trial.slot, state.trial.digest]);
  return named.flatMap(([slot, digest]) => {
    if (digest === undefined) return [];
    const expected = made.get(digest);
    if (expected === undefined) return [`slot ${slot} is of ${digest}, which nobody has made`];
    return differences(trees[slot], new Map([...expected, [NODE, "something"]])).map((what) => `slot ${slot}: ${what}`);
  });
}

function differences(tree: TreeHashes, expected: TreeHashes): string[] {
  const wrong = [...expected].filter(([path, hash]) => tree.get(path) !== hash);
  return [
    ...wrong.map(([path]) => `${path} is ${tree.has(path) ? "not what was signed" : "missing"}`),
    ...[...tree.keys()].filter((path) => !expected.has(path)).map((path) => `${path} does not belong there`),
  ];
}
