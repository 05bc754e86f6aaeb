/** The flags of `lightv fleet deploy` about what an app's sandbox may do: Docker's --security-opt and --sysctl. */
import { readFile } from "node:fs/promises";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { MAX_SECCOMP_BYTES, type Security } from "#agent/wire/protocol/security.ts";
import { parsePairs, usage } from "./values.ts";

export interface SecurityFlags {
  readonly securityOpt: readonly string[];
  readonly sysctl: readonly string[];
}

const ALLOWED = "seccomp=FILE|unconfined or apparmor=PROFILE|unconfined";

/** Over what `base` says, option by option; undefined when nothing is said. Reads the filter's file. Throws LV_USAGE. */
export async function securityOf(flags: SecurityFlags, base?: Security): Promise<Security | undefined> {
  if (flags.securityOpt.length === 0 && flags.sysctl.length === 0) return base;
  const security: Security = { ...base };
  for (const option of flags.securityOpt) {
    const [, key, value = ""] = /^(seccomp|apparmor)[=:](.+)$/.exec(option) ?? [];
    if (key === "seccomp") security.seccomp = value === "unconfined" ? value : await readProfile(value);
    else if (key === "apparmor" && /^[!-~]{1,1024}$/.test(value)) security.apparmor = value;
    else throw usage("--security-opt", option, ALLOWED);
  }
  if (flags.sysctl.length > 0) security.sysctls = { ...base?.sysctls, ...parsePairs("--sysctl", flags.sysctl) };
  return security;
}

/** The filter's text without white space. What it says is the devices' to check: they know their system calls. */
async function readProfile(file: string): Promise<string> {
  const wrong = (why: string, hint: string): LightvError => new LightvError("LV_USAGE", `--security-opt seccomp=${file}: ${why}`, { hint });
  const value = await readFile(file, "utf8")
    .then((text): unknown => JSON.parse(text))
    .catch((error: unknown) => {
      throw wrong(messageOf(error), "a file in the format of Docker's seccomp profiles");
    });
  if (typeof value !== "object" || value === null || !("defaultAction" in value))
    throw wrong("it has no defaultAction", "a file in the format of Docker's seccomp profiles");
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > MAX_SECCOMP_BYTES)
    throw wrong(`it has ${Buffer.byteLength(text)} bytes`, `at most ${MAX_SECCOMP_BYTES}: leave out calls of other architectures`);
  return text;
}
