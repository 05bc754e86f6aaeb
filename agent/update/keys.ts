/** The public keys that agents may be signed with: PEM files in update-keys-dir, looked at anew for each update. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { keyId, verifyAgent } from "#agent/lib/agent-signature.ts";
import { messageOf } from "#agent/lib/errors.ts";
import type { Logger } from "#agent/lib/log.ts";
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import type { Trust } from "./plan.ts";

/** More would be a mistake, and each is read. */
const MAX_KEYS = 64;

export async function trustOf(wanted: DesiredAgent, directory: string, log: Pick<Logger, "warn">): Promise<Trust> {
  const keys = await readKeys(directory, log);
  if (keys.size === 0) return "no-keys";
  const key = keys.get(wanted.key);
  if (key === undefined) return "unknown-key";
  return verifyAgent(wanted, wanted.signature, key) ? "good" : "forged";
}

/** By their ids. What is no key is said and passed over: it must not take the good ones out of force. */
async function readKeys(directory: string, log: Pick<Logger, "warn">): Promise<Map<string, KeyObject>> {
  const keys = new Map<string, KeyObject>();
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((one) => one.endsWith(".pem")).slice(0, MAX_KEYS)) {
    const path = join(directory, name);
    try {
      const key = createPublicKey(await readFile(path));
      keys.set(keyId(key), key);
    } catch (error) {
      log.warn(`${path} is no public Ed25519 key: ${messageOf(error)}`);
    }
  }
  return keys;
}
