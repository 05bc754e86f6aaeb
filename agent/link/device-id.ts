/**
 * The id that a device gives itself when its configuration names none: on disk before the controller hears of it. An answer that a power cut
 * loses would else leave a token used up, and an id that nobody knows.
 */
import { randomInt } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { readFileIfExists, writeFileAtomic } from "#agent/lib/atomic-file.ts";
import { DEVICE_ID } from "#agent/wire/topics.ts";

/** As the controller makes them: nothing that looks like something else. 34^12 of them: none comes twice. */
const LETTERS = "0123456789abcdefghijkmnpqrstuvwxyz";
const LENGTH = 12;

const fileOf = (root: string): string => join(root, "agent", "device-id");

/** The id of an enrolment that was begun earlier, or a new one. */
export async function pendingDeviceId(root: string): Promise<string> {
  const known = (await readFileIfExists(fileOf(root)))?.trim() ?? "";
  if (DEVICE_ID.test(known)) return known;
  const made = Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join("");
  await writeFileAtomic(fileOf(root), `${made}\n`);
  return made;
}

/** The credentials have it now. */
export async function forgetPendingDeviceId(root: string): Promise<void> {
  await rm(fileOf(root), { force: true });
}
