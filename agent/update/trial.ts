/** A new agent's one chance: it is in force once it has adopted what runs and the controller has answered it, or it makes way. */
import { messageOf } from "#agent/lib/errors.ts";
import type { UpdateParts } from "./ports.ts";
import type { Records } from "./records.ts";
import { commitTrial } from "./state.ts";

const POLL_MS = 200;
/** Before the guard's deadline: who goes by himself can say why. */
const MARGIN_MS = 5_000;

/** True when it has committed. Otherwise it has ended the agent, or `signal` has. */
export async function prove(parts: UpdateParts, records: Records, signal: AbortSignal): Promise<boolean> {
  const { clock, log, launch, version } = parts;
  const { trial } = await records.read();
  if (trial === undefined || trial === null || trial.slot !== launch.slot) return false;
  // The guard counts from our execve.
  const endAt = clock.uptimeMs() + Math.max(1_000, trial.deadlineMs - MARGIN_MS - process.uptime() * 1000);
  let trouble = "";
  while (!signal.aborted) {
    const missing = missingProof(parts);
    if (missing === undefined) {
      try {
        await records.write(commitTrial(await records.read()));
        log.info("the new version has reported: it is in force", { version, slot: launch.slot });
        return true;
      } catch (error) {
        trouble = `, and the record can't be written: ${messageOf(error)}`;
      }
    }
    if (clock.uptimeMs() >= endAt) {
      const reason = `${missing ?? "it has reported"}${trouble}`;
      await records.leaveNote(trial.digest, reason).catch((error: unknown) => log.error(messageOf(error)));
      parts.end(`version ${version} has not proved itself: ${reason}`, true);
      return false;
    }
    await clock.sleep(POLL_MS, signal).catch(() => undefined);
  }
  return false;
}

function missingProof({ hasAdopted, isOnline, isHeard }: UpdateParts): string | undefined {
  if (!hasAdopted()) return "it could not look at the sandboxes";
  if (isHeard()) return undefined;
  return isOnline() ? "the controller has not acknowledged its events" : "it has not reached the controller";
}
