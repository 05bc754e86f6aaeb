/** A new agent's one chance: it is in force once it has adopted what runs and the controller has answered it, or it makes way. */
import { messageOf } from "#agent/lib/errors.ts";
import type { UpdateParts } from "./ports.ts";
import type { Records } from "./records.ts";
import { commitTrial } from "./state.ts";

const POLL_MS = 200;
/** Before the guard's deadline: who goes by himself can say why. */
const MARGIN_MS = 5_000;
/** Between two starts of a sandbox, when one has failed. */
const PROOF_RETRY_MS = 2_000;

/** True when it has committed. Otherwise it has ended the agent, or `signal` has. */
export async function prove(parts: UpdateParts, records: Records, signal: AbortSignal): Promise<boolean> {
  const { clock, log, launch, version } = parts;
  const { trial } = await records.read();
  if (trial === undefined || trial === null || trial.slot !== launch.slot) return false;
  // The guard counts from our execve.
  const endAt = clock.uptimeMs() + Math.max(1_000, trial.deadlineMs - MARGIN_MS - process.uptime() * 1000);
  const sandbox = new SandboxProof(parts, trial.digest);
  let hadNetwork = false;
  let trouble = "";
  while (!signal.aborted) {
    hadNetwork ||= parts.isOnline() || parts.hasNetwork();
    const missing = missingProof(parts, sandbox);
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
      // Only when nothing else is known against it.
      const again = missing === UNREACHED && !hadNetwork;
      const note = again ? "there was no network" : reason;
      await records.leaveNote(trial.digest, note, again).catch((error: unknown) => log.error(messageOf(error)));
      parts.end(`version ${version} has not proved itself: ${note}`, true);
      return false;
    }
    await clock.sleep(POLL_MS, signal).catch(() => undefined);
  }
  return false;
}

const UNREACHED = "it has not reached the controller";

function missingProof({ hasAdopted, isOnline, isHeard }: UpdateParts, sandbox: SandboxProof): string | undefined {
  if (!hasAdopted()) return "it could not look at the sandboxes";
  const missing = sandbox.missing();
  if (missing !== undefined) return missing;
  if (isHeard()) return undefined;
  return isOnline() ? "the controller has not acknowledged its events" : UNREACHED;
}

/** The start of a sandbox, tried beside everything else until it has been seen: a monitor that hangs must not keep the reason. */
class SandboxProof {
  private readonly parts: UpdateParts;
  private readonly digest: string;
  private state: "none" | "running" | "seen" = "none";
  private nextAt = 0;
  private trouble = "it has not answered yet";

  constructor(parts: UpdateParts, digest: string) {
    this.parts = parts;
    this.digest = digest;
  }

  /** Undefined once one has started, or there is nothing to start one from. */
  missing(): string | undefined {
    if (this.state === "seen") return undefined;
    if (this.state === "none" && this.parts.clock.uptimeMs() >= this.nextAt) void this.start();
    return `it could not start a sandbox: ${this.trouble}`;
  }

  private async start(): Promise<void> {
    const { clock, log, proveSandbox } = this.parts;
    this.state = "running";
    try {
      if (!(await proveSandbox(this.digest))) log.warn("no sandbox was started on trial: the payload is not in the store any more");
      this.state = "seen";
    } catch (error) {
      this.state = "none";
      this.trouble = messageOf(error);
      this.nextAt = clock.uptimeMs() + PROOF_RETRY_MS;
    }
  }
}
