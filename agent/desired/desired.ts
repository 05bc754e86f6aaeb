/** The desired state: accepted when it is newer, on disk before anybody acts on it, there again after a boot without a network. */
import { join } from "node:path";
import { readFileIfExists, writeFileAtomic } from "#agent/lib/atomic-file.ts";
import { parseMessage } from "#agent/wire/messages.ts";
import type { Desired } from "#agent/wire/protocol/desired.ts";

export type Acceptance = { readonly taken: true } | { readonly taken: false; readonly reason: string };

export class DesiredState {
  private readonly file: string;
  private desired: Desired = { revision: 0, issuedAt: "1970-01-01T00:00:00Z", apps: [] };

  constructor(root: string) {
    this.file = join(root, "agent", "desired.json");
  }

  /** Gives why the file was not used, if it was not: a damaged one counts as none, and the controller sends it again. */
  async load(): Promise<string | undefined> {
    const text = await readFileIfExists(this.file);
    if (text === undefined) return undefined;
    const parsed = parseMessage("desired", text);
    if (!parsed.ok) return `${this.file} is damaged (${parsed.reason}): what runs goes on until the controller sends it again`;
    this.desired = parsed.value;
    return undefined;
  }

  get current(): Desired {
    return this.desired;
  }

  /** Refuses an older revision, and one that says the same app twice; the same revision again changes nothing. */
  async accept(desired: Desired): Promise<Acceptance> {
    const { revision } = this.desired;
    if (desired.revision < revision)
      return { taken: false, reason: `revision ${desired.revision} is older than ${revision}, which is in force` };
    if (desired.revision === revision) return { taken: true };
    const names = desired.apps.map((app) => app.name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) return { taken: false, reason: `revision ${desired.revision} names app ${twice} twice` };
    await writeFileAtomic(this.file, JSON.stringify(desired));
    this.desired = desired;
    return { taken: true };
  }
}
