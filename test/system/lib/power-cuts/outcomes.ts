/**
 * One cut has many outcomes, and a device lives through one of them. Others are looked at from outside: the file system is repaired and
 * mounted as at a boot, and what is in it must be a state that the agent can go on from without losing what it has promised.
 */

import { mkdtemp, readdir, readFile, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseMessage } from "#agent/wire/messages.ts";
import { run } from "#test/lib/command.ts";
import type { EventView } from "#test/lib/world.ts";
import { tool } from "../tool.ts";
import { checkSlots, type PromisedAgent, readSlots } from "./slots.ts";

/** What the controller knew when the power went. */
export interface Promised {
  readonly events: readonly EventView[];
  readonly ackedSeq: number;
  /** Of the desired state that the device last reported: it had it on disk then. */
  readonly reportedRevision: number;
  /** That was ever wanted. */
  readonly desiredRevision: number;
  readonly agent: PromisedAgent;
}

export interface Verdict {
  readonly complaints: readonly string[];
  /** The repair needed answers: what only a device with `fsck.repair=yes` does by itself. */
  readonly answered: boolean;
}

/** `lightv`: the command, as this machine can run it. */
export async function checkOutcome(disk: string, promised: Promised, lightv: readonly string[]): Promise<Verdict> {
  const { complaint, answered } = await repair(disk);
  return { complaints: complaint === undefined ? await checkContents(disk, promised, lightv) : [complaint], answered };
}

/**
 * As a device does at boot (systemd-fsck(8), fsck.repair=yes). Journal and orphans need no answer; a superblock whose two sectors tell of
 * different moments does: its checksum is wrong, and `e2fsck -p` looks for no other.
 */
async function repair(disk: string): Promise<{ complaint?: string; answered: boolean }> {
  const fsck = (flag: string) => run("e2fsck", [flag, disk], { timeoutMs: 120_000 });
  let answered = false;
  if (((await fsck("-p")).code & ~1) !== 0) {
    answered = true;
    const { code, stdout } = await fsck("-y");
    if ((code & ~1) !== 0) return { complaint: `e2fsck -y gives up (${code}): ${stdout.slice(-500)}`, answered };
  }
  const { code, stdout } = await fsck("-fn");
  return code === 0 ? { answered } : { complaint: `e2fsck -fn finds errors (${code}): ${stdout.slice(-1000)}`, answered };
}

async function checkContents(disk: string, promised: Promised, lightv: readonly string[]): Promise<string[]> {
  const mounted = await mkdtemp(join(tmpdir(), "lightv-outcome-"));
  await tool("mount", "-o", "loop", disk, mounted).catch(async (error: unknown) => {
    await rmdir(mounted);
    throw error;
  });
  try {
    const root = join(mounted, "var/lib/lightv");
    return [
      ...(await checkImages(join(root, "images"), lightv)),
      ...checkOutbox(join(root, "agent", "outbox.db"), promised),
      ...(await checkDesired(join(root, "agent", "desired.json"), promised)),
      ...(await checkJson(join(root, "agent"), ["credentials.json"])),
      ...checkSlots(await readSlots(join(root, "agent", "slots")), promised.agent),
      ...(await checkSandboxes(join(root, "sandboxes"))),
    ];
  } finally {
    await tool("umount", mounted);
    await rmdir(mounted);
  }
}

async function names(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

async function checkImages(directory: string, [lightv = "", ...args]: readonly string[]): Promise<string[]> {
  const complaints: string[] = [];
  for (const name of await names(directory)) {
    const { code, stdout, stderr } = await run(lightv, [...args, "verify", join(directory, name)], { timeoutMs: 120_000 });
    if (code !== 0) complaints.push(`image ${name} does not verify: ${stdout}${stderr}`.trim());
  }
  return complaints;
}

/** Nothing that the controller has not acknowledged is gone, and the next number is one that was never used. */
function checkOutbox(file: string, { events, ackedSeq }: Promised): string[] {
  const complaints: string[] = [];
  const database = new DatabaseSync(file);
  try {
    const verdict = String(database.prepare("PRAGMA integrity_check").get()?.integrity_check);
    if (verdict !== "ok") return [`outbox.db is damaged: ${verdict}`];
    const last = Number(database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'event'").get()?.seq ?? 0);
    const used = Math.max(0, ...events.map(({ seq }) => seq));
    if (last < used) complaints.push(`numbers go back: the controller has event ${used}, the next one would be ${last + 1}`);
    const rows = new Map(
      database
        .prepare("SELECT seq, body FROM event")
        .all()
        .map((row) => [Number(row.seq), JSON.parse(String(row.body)) as EventView]),
    );
    for (let seq = ackedSeq + 1; seq <= last; seq++) if (!rows.has(seq)) complaints.push(`event ${seq} was not acknowledged, and is gone`);
    for (const { seq, type, data } of events) {
      const row = rows.get(seq);
      if (row !== undefined && (row.type !== type || JSON.stringify(row.data) !== JSON.stringify(data)))
        complaints.push(`event ${seq} is ${JSON.stringify(row)}, the controller has ${type} ${JSON.stringify(data)}`);
    }
  } finally {
    database.close();
  }
  return complaints;
}

async function checkDesired(file: string, { reportedRevision, desiredRevision }: Promised): Promise<string[]> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return reportedRevision === 0 ? [] : [`desired.json is gone, revision ${reportedRevision} was reported`];
  const parsed = parseMessage("desired", text);
  if (!parsed.ok) return [`desired.json is damaged: ${parsed.reason}`];
  const { revision } = parsed.value;
  return revision >= reportedRevision && revision <= desiredRevision
    ? []
    : [`desired.json has revision ${revision}; ${reportedRevision} was reported, ${desiredRevision} is desired`];
}

async function checkSandboxes(directory: string): Promise<string[]> {
  const complaints: string[] = [];
  for (const name of await names(directory)) {
    if (/^[0-9a-f]{16}$/.test(name)) complaints.push(...(await checkJson(join(directory, name), ["config.json"])));
    const left = await names(join(directory, name));
    for (const record of ["exit.json"]) if (left.includes(record)) complaints.push(...(await checkJson(join(directory, name), [record])));
  }
  return complaints;
}

async function checkJson(directory: string, files: readonly string[]): Promise<string[]> {
  const complaints: string[] = [];
  for (const file of files) {
    try {
      JSON.parse(await readFile(join(directory, file), "utf8"));
    } catch (error) {
      complaints.push(`${directory.replace(/^.*\/var/, "/var")}/${file}: ${String(error)}`);
    }
  }
  return complaints;
}
