/**
 * Configuration files of the daemons: `key = value` lines, `#` comments, nothing else. Strict: an unknown key, a key given twice or a
 * value that does not fit is an error with file and line, and with what is allowed.
 */
import { LightvError } from "./errors.ts";

export interface ConfLine {
  readonly key: string;
  readonly value: string;
  /** "file:line", or "--flag" for a value from the command line. */
  readonly where: string;
}

/** Turns the text after `=` into a value; throws an Error whose message says what is allowed. */
export type ConfParser<T> = (text: string) => T;
export interface ConfKey<T> {
  readonly parse: ConfParser<T>;
  readonly default: T;
}
export type ConfKeys = Readonly<Record<string, ConfKey<unknown>>>;
export type ConfOf<K extends ConfKeys> = { readonly [Name in keyof K]: K[Name] extends ConfKey<infer T> ? T : never };

/** The lines of a file's text. `file` is for messages only. Throws LV_CONFIG. */
export function parseConf(text: string, file: string): ConfLine[] {
  const lines: ConfLine[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const where = `${file}:${index + 1}`;
    const at = line.indexOf("=");
    if (at < 1) throw wrong(where, `"${line}" is not "key = value"`);
    lines.push({ key: line.slice(0, at).trim(), value: line.slice(at + 1).trim(), where });
  }
  return lines;
}

/** Values for all keys: the given lines over the defaults. Later sources (flags) may repeat a key of an earlier one. Throws LV_CONFIG. */
export function readConf<K extends ConfKeys>(keys: K, sources: readonly (readonly ConfLine[])[]): ConfOf<K> {
  const values: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(keys)) values[name] = key.default;
  for (const lines of sources) {
    const seen = new Map<string, string>();
    for (const { key, value, where } of lines) {
      const known = Object.hasOwn(keys, key) ? keys[key] : undefined;
      if (known === undefined) throw wrong(where, `unknown key "${key}"${nearest(key, Object.keys(keys))}`);
      const before = seen.get(key);
      if (before !== undefined) throw wrong(where, `"${key}" is given twice (first at ${before})`);
      seen.set(key, where);
      try {
        values[key] = known.parse(value);
      } catch (error) {
        throw wrong(where, `${key} = ${value}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return values as ConfOf<K>;
}

function wrong(where: string, message: string): LightvError {
  return new LightvError("LV_CONFIG", `${where}: ${message}`, { hint: "the shipped configuration file documents every key" });
}

function nearest(key: string, known: readonly string[]): string {
  const near = known.find((name) => name.replaceAll(/[-._]/g, "") === key.replaceAll(/[-._]/g, "")) ?? known.find((n) => n.endsWith(key));
  return near === undefined ? "" : ` (did you mean "${near}"?)`;
}

export const text: ConfParser<string> = (value) => value;

export const bool: ConfParser<boolean> = (value) => {
  if (value !== "true" && value !== "false") throw new Error("must be true or false");
  return value === "true";
};

export function integer(least: number, most: number): ConfParser<number> {
  return (value) => {
    const n = Number(value);
    if (!/^\d+$/.test(value) || n < least || n > most) throw new Error(`must be a whole number from ${least} to ${most}`);
    return n;
  };
}

export function oneOf<T extends string>(...allowed: readonly T[]): ConfParser<T> {
  return (value) => {
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw new Error(`must be one of ${allowed.join(", ")}`);
    return found;
  };
}

export const absolutePath: ConfParser<string> = (value) => {
  if (!value.startsWith("/")) throw new Error("must be an absolute path");
  return value;
};

/** "" means: not set. */
export function optional<T>(parse: ConfParser<T>): ConfParser<T | undefined> {
  return (value) => (value === "" ? undefined : parse(value));
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[v6]:port`; port 0 asks the kernel for a free one. */
export const hostPort: ConfParser<HostPort> = (value) => {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535) throw new Error("must be host:port, or [IPv6 address]:port");
  return { host, port };
};

export function url(...schemes: readonly string[]): ConfParser<string> {
  return (value) => {
    const scheme = URL.parse(value)?.protocol.slice(0, -1);
    if (scheme === undefined || !schemes.includes(scheme)) throw new Error(`must be a URL that starts with ${schemes.join(":// or ")}://`);
    return value.replace(/\/$/, "");
  };
}
