/** From a signed payload to a trial on record: pull, unpack into the free slot, check, and only then say so to the launcher. */
import { makePrivateDirectory } from "#agent/lib/atomic-file.ts";
import { within } from "#agent/lib/deadline.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import type { AgentReport } from "#agent/wire/protocol/reported.ts";
import { isDiskFull } from "./passing.ts";
import type { UpdateParts } from "./ports.ts";
import type { Records } from "./records.ts";
import { checkRoom } from "./room.ts";
import { smokeCheck } from "./smoke.ts";
import { beginInstall, beginTrial, delayedKey, startedKey } from "./state.ts";
import { checkParts, checkRelease, completeNode, readRelease } from "./tree.ts";

/** While the device is away the restart waits: a trial without a controller could only fail. */
const ONLINE_POLL_MS = 2_000;
/** A trial ends well when the controller has acknowledged its first event, and all before it: after a long time away that takes minutes. */
const MAX_BACKLOG = 256;

export type Show = (shown: Pick<AgentReport, "phase" | "reason" | "progress">) => void;

/** Ends this agent when all is ready. Throws why it is not; whatever it leaves then is cleared away by the next try or start. */
export async function install(
  parts: UpdateParts,
  records: Records,
  slot: "a" | "b",
  wanted: DesiredAgent,
  show: Show,
  signal: AbortSignal,
): Promise<void> {
  const { events, log, payloads, version: running } = parts;
  const { version, digest } = wanted;
  log.info("a new agent is wanted", { version, digest, slot });
  events.addOnce(startedKey(wanted), { type: "agent.update-started", data: { version, digest, running } });
  try {
    const path = await pull(parts, wanted, show, signal);
    show({ phase: "installing", reason: "" });
    await fill(parts, records, slot, wanted, path, signal);
  } catch (error) {
    // What is removed to make room would be fetched again by each try.
    if (!isDiskFull(error) || signal.aborted) payloads.unpin(digest);
    throw error;
  }
  payloads.unpin(digest);
  await online(parts, show, signal);
  await records.write(beginTrial(await records.read(), slot, wanted, parts.trialMs));
  signal.throwIfAborted();
  parts.end(`version ${version} is to be tried`, false);
}

function pull(parts: UpdateParts, wanted: DesiredAgent, show: Show, signal: AbortSignal): Promise<string> {
  const { version, digest, size } = wanted;
  const { clock, operationTimeoutMs } = parts;
  show({ phase: "pulling", reason: "" });
  const progress = (done: number, total: number, trouble = ""): void =>
    show({ phase: "pulling", reason: trouble, progress: { done, total } });
  const name = `lightv-agent:${version.replaceAll(/[^\w.-]/g, "-")}`;
  return within(clock, operationTimeoutMs, `the pull of version ${version}`, signal, (limit) =>
    parts.payloads.fetch({ name, digest, size }, limit, progress),
  );
}

/** The slot counts for nothing from before its first file goes until all of the new ones are on the disk. */
async function fill(
  parts: UpdateParts,
  records: Records,
  slot: "a" | "b",
  wanted: DesiredAgent,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const { native, launch, tree: running, args } = parts;
  // What was checked on the way in may have rotted since.
  const neededBytes = await verify(native, path, wanted.digest).catch(async (error: unknown) => {
    await parts.payloads.discard(wanted.digest);
    throw new LightvError("LV_UNAVAILABLE", `the payload in the store was damaged: ${messageOf(error)}`, {
      hint: "it is fetched again",
      cause: error,
    });
  });
  await haveRoom(parts, records, slot, wanted, neededBytes);
  await records.write(beginInstall(await records.read(), launch.slot, slot));
  const tree = await records.emptySlot(slot);
  signal.throwIfAborted();
  await native.unpackImage(path, tree);
  signal.throwIfAborted();
  const release = await readRelease(tree);
  checkRelease(release, wanted);
  await completeNode(tree, release, running, records.path);
  await checkParts(tree);
  await smokeCheck(tree, wanted.version, args, signal);
  await native.syncFileSystem(tree);
}

/** What is unpacked is what was signed. Gives the bytes of its files. */
async function verify(native: UpdateParts["native"], path: string, wanted: string): Promise<number> {
  const { digest, erofsSize } = JSON.parse(await native.verifyImage(path)) as { digest?: unknown; erofsSize?: unknown };
  if (digest !== wanted) throw new LightvError("LV_IMAGE_DIGEST", `${path} is another image`, { hint: "it is fetched again" });
  return typeof erofsSize === "number" ? erofsSize : 0;
}

/** Before the slot's tree, which is the one to fall back to, is given up. Told once for each attempt. */
async function haveRoom(
  { events, freeBytes, version: running }: UpdateParts,
  records: Records,
  slot: "a" | "b",
  { version, digest, attempt = 0 }: DesiredAgent,
  neededBytes: number,
): Promise<void> {
  await makePrivateDirectory(records.path);
  const room = { neededBytes, freeBytes: await freeBytes(records.path), givenBytes: await records.bytesOf(slot) };
  try {
    checkRoom(room, slot);
  } catch (error) {
    const data = { version, digest, reason: messageOf(error), running };
    events.addOnce(delayedKey({ digest, attempt }), { type: "agent.update-delayed", data });
    throw error;
  }
}

/** Waits for it: a trial without the controller could only fail. */
export async function online(parts: UpdateParts, show: Show, signal: AbortSignal): Promise<void> {
  for (let late = lacking(parts); late !== undefined; late = lacking(parts)) {
    show({ phase: "installing", reason: `is ready, and waits for the controller${late}: the new version has to report to it` });
    await parts.clock.sleep(ONLINE_POLL_MS, signal);
  }
}

/** Undefined when the controller is there and has heard us out. */
function lacking({ isOnline, backlog }: UpdateParts): string | undefined {
  if (!isOnline()) return "";
  const events = backlog();
  return events > MAX_BACKLOG ? ` to take the ${events} events before` : undefined;
}
