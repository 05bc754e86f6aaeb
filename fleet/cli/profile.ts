/** Where the controller is and how we show who we are: flags, then the environment, then what `lightv fleet login` wrote. */
import { mkdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { readFileIfExists, writeFileAtomic } from "#agent/lib/atomic-file.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";

export interface Profile {
  readonly url: string;
  readonly token: string;
  /** PEM of a CA of one's own. */
  readonly ca?: string;
}

export interface ProfileFlags {
  readonly url?: string;
  readonly token?: string;
  readonly ca?: string;
}

export function profilePath(): string {
  return join(process.env.XDG_CONFIG_HOME ?? join(homedir(), ".config"), "lightv", "fleet.json");
}

/** Throws LV_USAGE when nothing says where the controller is, or who we are. */
export async function resolveProfile(flags: ProfileFlags): Promise<Profile> {
  const saved = await readProfile();
  const url = flags.url ?? process.env.LIGHTV_FLEET_URL ?? saved.url;
  const token = flags.token ?? process.env.LIGHTV_FLEET_TOKEN ?? saved.token;
  const ca = await readCa(flags.ca ?? process.env.LIGHTV_FLEET_CA);
  if (url === undefined || token === undefined)
    throw new LightvError("LV_USAGE", `the controller's ${url === undefined ? "address" : "token"} is not known`, {
      hint: "`lightv fleet login URL` saves both; or give --url and --token, or LIGHTV_FLEET_URL and LIGHTV_FLEET_TOKEN",
    });
  const text = ca ?? saved.ca;
  return { url: url.replace(/\/+$/, ""), token, ...(text === undefined ? {} : { ca: text }) };
}

export async function readCa(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new LightvError("LV_USAGE", `cannot read the CA file ${path}: ${messageOf(error)}`, { hint: "check --ca", cause: error });
  }
}

async function readProfile(): Promise<Partial<Profile>> {
  const path = profilePath();
  const text = await readFileIfExists(path);
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as Partial<Profile>;
  } catch (error) {
    throw new LightvError("LV_CONFIG", `${path} is not JSON`, { hint: "log in again: `lightv fleet login URL`", cause: error });
  }
}

/** Readable by its owner only. Gives its path. */
export async function saveProfile(profile: Profile): Promise<string> {
  const path = profilePath();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFileAtomic(path, `${JSON.stringify(profile, undefined, 2)}\n`);
  return path;
}
