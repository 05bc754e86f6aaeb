/**
 * The agent's own version as the rest of the agent sees it. What does the work is loaded when there is work: an agent that is as it
 * shall be pays nothing for it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import type { AgentReport } from "#agent/wire/protocol/reported.ts";
import type { UpdateParts } from "./ports.ts";
import type { Updater } from "./updater.ts";

export class UpdatePart {
  private readonly parts: UpdateParts;
  private wanted: DesiredAgent | undefined;
  private updater: Updater | undefined;
  private loading: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  constructor(parts: UpdateParts) {
    this.parts = parts;
  }

  /** Takes up what an agent before us began, or what we are on trial for. */
  start(wanted: DesiredAgent | undefined): void {
    const { directory } = this.parts.launch;
    this.wanted = wanted;
    if (wanted !== undefined || (directory !== undefined && existsSync(join(directory, "state.json")))) this.load();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new LightvError("LV_UNAVAILABLE", "the agent is stopping"));
    await this.loading;
    await this.updater?.stop();
  }

  setWanted(wanted: DesiredAgent | undefined): void {
    this.wanted = wanted;
    if (this.updater !== undefined) this.updater.setWanted(wanted);
    else if (wanted !== undefined) this.load();
  }

  report(): AgentReport {
    const { version, launch } = this.parts;
    return this.updater?.report() ?? { version, slot: launch.slot, phase: launch.trial ? "trial" : "current", reason: "" };
  }

  private load(): void {
    this.loading ??= import("./updater.ts")
      .then(({ Updater }) => {
        if (this.stopping.signal.aborted) return;
        this.updater = new Updater(this.parts);
        this.updater.start(this.wanted);
      })
      .catch((error: unknown) => this.parts.log.error(`self-update is not available: ${messageOf(error)}`));
  }
}
