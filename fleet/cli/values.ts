/** Values of flags, as Docker's users write them. All throw LV_USAGE that says what is allowed. */
import { LightvError } from "#agent/lib/errors.ts";

export function usage(flag: string, value: string, allowed: string): LightvError {
  return new LightvError("LV_USAGE", `${flag} ${value}: must be ${allowed}`);
}

/** `512`, `32m`, `1.5g`: powers of 1,024. */
export function parseBytes(flag: string, value: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(value);
  const n = Number(match?.[1]) * 1024 ** Math.max(0, "bkmgt".indexOf((match?.[2] || "b").toLowerCase()));
  if (match === null || !Number.isSafeInteger(Math.round(n))) throw usage(flag, value, "a size such as 32m or 1g");
  return Math.round(n);
}

export function parseInteger(flag: string, value: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  const n = Number(value);
  if (!/^\d+$/.test(value) || n < least || n > most) throw usage(flag, value, `a whole number from ${least} to ${most}`);
  return n;
}

/** `0.5` of a CPU is 500 thousandths. */
export function parseCpus(flag: string, value: string): number {
  const n = Math.round(Number(value) * 1000);
  if (!/^\d+(\.\d+)?$/.test(value) || n < 1) throw usage(flag, value, "a number of CPUs such as 0.5");
  return n;
}

/** `90`, `500ms`, `30s`, `5m`, `24h`, `7d`; a number alone is seconds. In milliseconds. */
export function parseDuration(flag: string, value: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(value);
  if (match === null) throw usage(flag, value, "a time such as 30s, 5m, 24h or 7d");
  const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] ?? "s"] ?? 1000;
  return Math.round(Number(match[1]) * factor);
}

/** `KEY=VALUE` pairs. */
export function parsePairs(flag: string, values: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const value of values) {
    const at = value.indexOf("=");
    if (at < 1) throw usage(flag, value, "KEY=VALUE");
    pairs[value.slice(0, at)] = value.slice(at + 1);
  }
  return pairs;
}

/** `NAME` means `NAME:latest`, as in Docker. */
export function withTag(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1).includes(":") ? name : `${name}:latest`;
}
