/**
 * What becomes of desired states that have come: taken and put in force, or refused with a reason. One after the other, so that an older
 * one is never written over a newer one, and again after a while when the disk does not take one.
 */
import type { Clock } from "#agent/lib/clock.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { Logger } from "#agent/lib/log.ts";
import type { Desired } from "#agent/wire/protocol/desired.ts";
import type { DesiredState } from "./desired.ts";
import type { Waiting } from "./waiting.ts";

const RETRY_MS = 5_000;

export interface IntakeOptions {
  readonly state: DesiredState;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Logger;
  /** It is on disk: act on it. */
  readonly enforce: (desired: Desired) => void;
  readonly reject: (reason: string) => void;
  /** It was dealt with, or the disk did not take it: the controller is to hear where we stand. */
  readonly done: () => void;
  /** Ends the waiting for a disk; what waits comes again on the next connection. */
  readonly signal: AbortSignal;
}

export class Intake {
  private readonly options: IntakeOptions;
  private waiting: readonly Desired[] = [];
  private work: Promise<void> | undefined;
  private trouble: Waiting | undefined;

  constructor(options: IntakeOptions) {
    this.options = options;
  }

  offer(message: Desired): void {
    this.waiting = [...this.waiting.filter((other) => other.revision !== message.revision), message];
    this.work ??= this.run().finally(() => {
      this.work = undefined;
    });
  }

  /** The state that the disk does not take, as long as it does not. */
  get untaken(): Waiting | undefined {
    return this.trouble;
  }

  /** Resolves when nothing waits any more, or the signal has aborted. */
  async idle(): Promise<void> {
    await this.work;
  }

  private async run(): Promise<void> {
    const { clock, signal, done } = this.options;
    for (let message = this.waiting[0]; message !== undefined && !signal.aborted; message = this.waiting[0]) {
      const settled = await this.take(message);
      const { revision } = message;
      const over = settled || this.waiting.some((other) => other.revision > revision);
      if (over) this.waiting = this.waiting.filter((other) => other !== message);
      done();
      // Our revision has not changed, so the controller has no reason to send it again.
      if (!over) await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }

  /** False: not on disk, or a refusal could not be told, so not dealt with. */
  private async take(message: Desired): Promise<boolean> {
    const { state, log, enforce, reject } = this.options;
    const before = state.current.revision;
    try {
      const acceptance = await state.accept(message);
      this.trouble = undefined;
      if (!acceptance.taken) reject(acceptance.reason);
      else if (state.current.revision !== before) {
        log.info("new desired state", { revision: message.revision, apps: message.apps.length });
        enforce(message);
      }
      return true;
    } catch (error) {
      log.error(messageOf(error));
      const code = error instanceof LightvError ? error.code : "LV_INTERNAL";
      // An older one is not waited for: only its refusal could not be told.
      if (message.revision > state.current.revision) this.trouble = { desired: message, reason: `${code}: ${messageOf(error)}` };
      return false;
    }
  }
}
