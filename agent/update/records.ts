/** The slots' files on disk: the record, notes of a trial's end, and trees that nobody names any more. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { makePrivateDirectory, readFileIfExists, writeFileAtomic } from "#agent/lib/atomic-file.ts";
import type { Slot } from "./launch.ts";
import { bytesOfTree } from "./room.ts";
import { parseSlotState, type SlotState } from "./state.ts";

export class Records {
  readonly path: string;
  private readonly base: string;

  /** `base`: the version that is installed; a record of another one counts for nothing. */
  constructor(path: string, base: string) {
    this.path = path;
    this.base = base;
  }

  tree(slot: "a" | "b"): string {
    return join(this.path, slot);
  }

  /** An empty one when there is none, it is damaged, or it belongs to another installed version. */
  async read(): Promise<SlotState> {
    const text = await readFileIfExists(join(this.path, "state.json"));
    const state = text === undefined ? undefined : parseSlotState(text);
    if (state?.base === this.base) return state;
    return { base: this.base, committed: "usr", trial: null, failed: state?.failed ?? [] };
  }

  /** On the disk when it resolves. Throws LV_DISK_FULL or LV_INTERNAL; the old record is then untouched. */
  async write(state: SlotState): Promise<void> {
    await makePrivateDirectory(this.path);
    await writeFileAtomic(join(this.path, "state.json"), `${JSON.stringify(state)}\n`);
  }

  /** Why this trial ends, for whoever starts next. `again`: that says nothing of the version. */
  async leaveNote(digest: string, reason: string, again: boolean): Promise<void> {
    await writeFileAtomic(join(this.path, "note.json"), `${JSON.stringify({ digest, reason, ...(again ? { again } : {}) })}\n`);
  }

  /** What is on the disk for `slot` comes free when it is emptied. */
  async bytesOf(slot: "a" | "b"): Promise<number> {
    return bytesOfTree(this.tree(slot));
  }

  /** A new, empty directory for a slot. */
  async emptySlot(slot: "a" | "b"): Promise<string> {
    const tree = this.tree(slot);
    await rm(tree, { recursive: true, force: true });
    await mkdir(tree, { recursive: true, mode: 0o755 });
    return tree;
  }

  /** Removes what crashes and failed updates left: trees that neither run nor are on record. Gives the names of what went. */
  async sweep(state: SlotState, running: Slot): Promise<string[]> {
    const kept = new Set<string>(["state.json", "note.json", "state.json.damaged", running, state.trial?.slot ?? running]);
    for (const slot of ["a", "b"] as const) if (state.proven?.[slot] !== undefined) kept.add(slot);
    const names = await readdir(this.path).catch(() => []);
    const stale = names.filter((name) => !kept.has(name));
    for (const name of stale) await rm(join(this.path, name), { recursive: true, force: true });
    return stale;
  }
}
