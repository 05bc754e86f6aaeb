/** What enrolment gave us: in ROOT/agent/credentials.json, readable by root only. */
import { join } from "node:path";
import { readFileIfExists, writeFileAtomic } from "#agent/lib/atomic-file.ts";
import { LightvError } from "#agent/lib/errors.ts";
import { DEVICE_ID } from "#agent/wire/topics.ts";

export interface Credentials {
  readonly device: string;
  readonly password: string;
  readonly mqttUrl: string;
  readonly imagesUrl: string;
}

function credentialsFile(root: string): string {
  return join(root, "agent", "credentials.json");
}

/** Undefined: not enrolled yet. Throws LV_CONFIG when the file is damaged, because to enrol again silently could take another identity. */
export async function loadCredentials(root: string): Promise<Credentials | undefined> {
  const text = await readFileIfExists(credentialsFile(root));
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isCredentials(value)) return value;
  throw new LightvError("LV_CONFIG", `${credentialsFile(root)} is damaged`, { hint: "remove it to enrol again with a new token" });
}

export async function saveCredentials(root: string, credentials: Credentials): Promise<void> {
  await writeFileAtomic(credentialsFile(root), `${JSON.stringify(credentials)}\n`);
}

function isCredentials(value: unknown): value is Credentials {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  const texts = ["device", "password", "mqttUrl", "imagesUrl"].every((key) => typeof fields[key] === "string" && fields[key] !== "");
  return texts && DEVICE_ID.test(String(fields.device));
}
