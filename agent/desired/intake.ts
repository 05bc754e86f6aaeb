/** What becomes of a desired state that has come: taken and put in force, or refused with a reason. */
import { messageOf } from "#agent/lib/errors.ts";
import type { Logger } from "#agent/lib/log.ts";
import type { Desired } from "#agent/wire/protocol/desired.ts";
import type { DesiredState } from "./desired.ts";

export interface IntakeOptions {
  readonly state: DesiredState;
  readonly log: Logger;
  /** It is on disk: act on it. */
  readonly enforce: (desired: Desired) => void;
  readonly reject: (reason: string) => void;
  /** It is dealt with, in whatever way: the controller is to hear where we stand. */
  readonly done: () => void;
}

/** Never rejects. */
export async function takeDesired(message: Desired, { state, log, enforce, reject, done }: IntakeOptions): Promise<void> {
  const before = state.current.revision;
  try {
    const acceptance = await state.accept(message);
    if (!acceptance.taken) reject(acceptance.reason);
    else if (state.current.revision !== before) {
      log.info("new desired state", { revision: message.revision, apps: message.apps.length });
      enforce(message);
    }
  } catch (error) {
    // Not on disk, so not in force: the controller sends it again, because our reports keep the old revision.
    log.error(messageOf(error));
  }
  done();
}
