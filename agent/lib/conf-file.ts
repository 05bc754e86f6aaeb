/**
 * Configuration files: `key = value` lines and `#` comments, nothing else. Strict, because a misspelt key that is silently ignored
 * is found on a roof in the rain: unknown keys, keys given twice and bad values are errors with file, line and what is allowed.
 */
import { LightvError } from "./errors.ts";

export interface ConfKey<T> {
  readonly parse: (text: string) => T | undefined;
  /** What `parse` takes, for the error: "a number of bytes such as 8M". */
  readonly allowed: string;
}

export type ConfSchema = Readonly<Record<string, ConfKey<unknown>>>;
export type ConfValues<S extends ConfSchema> = { [K in keyof S]?: S[K] extends ConfKey<infer T> ? T : never };

/** Parses a whole file. Throws LV_CONFIG that names `file`:line. */
export function parseConf<S extends ConfSchema>(text: string, file: string, schema: S): ConfValues<S> {
  const values: Record<string, unknown> = {};
  const seen = new Map<string, number>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const where = `${file}:${index + 1}`;
    const at = line.indexOf("=");
    if (at < 0)
      throw wrong(where, `"${line}" is not "key = value"`, "write one key, an equals sign and its value, or start the line with #");
    const key = line.slice(0, at).trim();
    const first = seen.get(key);
    if (first !== undefined) throw wrong(where, `"${key}" was given in line ${first} already`, "keep one of the two");
    seen.set(key, index + 1);
    values[key] = parseValue(where, key, line.slice(at + 1).trim(), schema);
  }
  return values as ConfValues<S>;
}

/** One value, of a file or a flag; `where` starts the error. */
export function parseValue(where: string, key: string, text: string, schema: ConfSchema): unknown {
  const rule = Object.hasOwn(schema, key) ? schema[key] : undefined;
  if (rule === undefined) throw wrong(where, `no such key "${key}"`, `there are: ${Object.keys(schema).sort().join(", ")}`);
  const value = rule.parse(text);
  if (value === undefined) throw wrong(where, `"${text}" is not a value for "${key}"`, `it takes ${rule.allowed}`);
  return value;
}

function wrong(where: string, what: string, hint: string): LightvError {
  return new LightvError("LV_CONFIG", `${where}: ${what}`, { hint });
}

export function confText(allowed: string, pattern = /^.+$/): ConfKey<string> {
  return { parse: (text) => (pattern.test(text) ? text : undefined), allowed };
}

export function confChoice<T extends string>(...choices: readonly T[]): ConfKey<T> {
  return { parse: (text) => choices.find((choice) => choice === text), allowed: choices.join(" or ") };
}

export const confBoolean: ConfKey<boolean> = {
  parse: (text) => (text === "yes" ? true : text === "no" ? false : undefined),
  allowed: "yes or no",
};

/** A whole number between two bounds. */
export function confInteger(min: number, max: number, unit = ""): ConfKey<number> {
  return {
    parse: (text) => (/^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined),
    allowed: `a whole number${unit} from ${min} to ${max}`,
  };
}

/** Bytes, with K, M or G for powers of 1,024. */
export function confBytes(min: number): ConfKey<number> {
  return {
    parse: (text) => {
      const match = /^(\d{1,12})([KMG]?)$/.exec(text);
      if (match === null) return undefined;
      const bytes = Number(match[1]) * 1024 ** ["", "K", "M", "G"].indexOf(match[2] ?? "");
      return bytes >= min && Number.isSafeInteger(bytes) ? bytes : undefined;
    },
    allowed: `a number of bytes of at least ${min}, such as 512K, 8M or 1G`,
  };
}

/** Arguments separated by white space; no quoting. */
export const confWords: ConfKey<readonly string[]> = {
  parse: (text) => (text === "" ? undefined : text.split(/\s+/)),
  allowed: "a program and its arguments, separated by spaces",
};
