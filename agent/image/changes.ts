/** `--change`: Dockerfile instructions that alter an image's configuration, those that `docker import` takes. */
import { LightvError } from "#agent/lib/errors.ts";
import type { ImageConfig } from "./manifest.ts";
import { parseDuration, splitPairs, splitWords } from "./words.ts";

/** No one's writing, so that steps can set what the manifest's reader sees as fixed. */
type Draft = { -readonly [K in keyof ImageConfig]: ImageConfig[K] };
type Instruction = (config: Draft, rest: string) => void;

const SHELL: readonly string[] = ["/bin/sh", "-c"];

const INSTRUCTIONS: Readonly<Record<string, Instruction>> = {
  CMD: (config, rest) => {
    config.Cmd = command(rest);
  },
  ENTRYPOINT: (config, rest) => {
    config.Entrypoint = command(rest);
    // As Dockerfiles have it: an old command means nothing to a new entry point.
    delete config.Cmd;
  },
  ENV: (config, rest) => {
    for (const [key, value] of splitPairs(rest))
      config.Env = [...(config.Env ?? []).filter((item) => !item.startsWith(`${key}=`)), `${key}=${value}`];
  },
  EXPOSE: (config, rest) => {
    for (const port of words(rest).flatMap(ports)) config.ExposedPorts = { ...config.ExposedPorts, [port]: {} };
  },
  HEALTHCHECK: (config, rest) => {
    config.Healthcheck = healthcheck(rest);
  },
  LABEL: (config, rest) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(splitPairs(rest)) };
  },
  STOPSIGNAL: (config, rest) => {
    if (!/^(SIG)?[A-Z]+[0-9]*([+-][0-9]+)?$|^[0-9]{1,2}$/.test(rest)) throw new Error(`"${rest}" is no signal`);
    config.StopSignal = rest;
  },
  USER: (config, rest) => {
    config.User = one(rest);
  },
  VOLUME: (config, rest) => {
    for (const path of jsonList(rest) ?? words(rest)) config.Volumes = { ...config.Volumes, [absolute(path)]: {} };
  },
  WORKDIR: (config, rest) => {
    const path = one(rest);
    config.WorkingDir = path.startsWith("/") ? path : `${config.WorkingDir ?? ""}/${path}`.replace(/\/+/g, "/");
  },
};

/** A new configuration with the instructions carried out in order. Throws LV_USAGE that names the wrong one. */
export function applyChanges(base: ImageConfig, changes: readonly string[]): ImageConfig {
  const config: Draft = { ...base };
  for (const change of changes) {
    const [, word = "", rest = ""] = /^\s*(\S+)\s*([\s\S]*?)\s*$/.exec(change) ?? [];
    const instruction = Object.hasOwn(INSTRUCTIONS, word.toUpperCase()) ? INSTRUCTIONS[word.toUpperCase()] : undefined;
    const wrong = (why: string): LightvError =>
      new LightvError("LV_USAGE", `--change ${JSON.stringify(change)}: ${why}`, {
        hint: `it takes ${Object.keys(INSTRUCTIONS).join(", ")}`,
      });
    if (instruction === undefined) throw wrong(`${word || "nothing"} is no instruction that can be used here`);
    if (rest === "") throw wrong(`${word.toUpperCase()} needs a value`);
    try {
      instruction(config, rest);
    } catch (error) {
      throw wrong(error instanceof Error ? error.message : String(error));
    }
  }
  return config;
}

/** `["a", "b"]`: the exec form. Undefined when it is not that; Docker takes what is no sound JSON list as a shell's command. */
function jsonList(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

function command(text: string): string[] {
  return jsonList(text) ?? [...SHELL, text];
}

function words(text: string): string[] {
  return splitWords(text);
}

function one(text: string): string {
  const [word, ...more] = splitWords(text);
  if (word === undefined || more.length > 0) throw new Error("it takes exactly one value");
  return word;
}

function absolute(path: string): string {
  if (!path.startsWith("/")) throw new Error(`the volume "${path}" is not an absolute path`);
  return path;
}

/** `80`, `53/udp`, `8000-8010/tcp`. */
function ports(text: string): string[] {
  const [, from = "", to = from, protocol = "tcp"] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (from === "" || first < 1 || last > 65_535 || last < first) throw new Error(`"${text}" is no port`);
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol.toLowerCase()}`);
}

const HEALTH_FLAGS = { "--interval": "Interval", "--timeout": "Timeout", "--start-period": "StartPeriod", "--retries": "Retries" } as const;

/** `NONE`, or `[--interval=30s …] CMD …`. */
function healthcheck(text: string): NonNullable<ImageConfig["Healthcheck"]> {
  const check: NonNullable<ImageConfig["Healthcheck"]> = {};
  let rest = text;
  for (let match = /^(--[a-z-]+)=(\S+)\s+/.exec(rest); match !== null; match = /^(--[a-z-]+)=(\S+)\s+/.exec(rest)) {
    const [whole, flag = "", value = ""] = match;
    const key = Object.hasOwn(HEALTH_FLAGS, flag) ? HEALTH_FLAGS[flag as keyof typeof HEALTH_FLAGS] : undefined;
    if (key === undefined) throw new Error(`${flag} is no flag of HEALTHCHECK; there are ${Object.keys(HEALTH_FLAGS).join(" ")}`);
    if (key === "Retries" && !/^\d{1,9}$/.test(value)) throw new Error(`--retries takes a number, not "${value}"`);
    check[key] = key === "Retries" ? Number(value) : parseDuration(value);
    rest = rest.slice(whole.length);
  }
  if (/^NONE$/i.test(rest)) return { Test: ["NONE"] };
  const [, line = ""] = /^CMD\s+([\s\S]+)$/i.exec(rest) ?? [];
  if (line === "") throw new Error("it takes NONE, or CMD and a command");
  const list = jsonList(line);
  return { ...check, Test: list === undefined ? ["CMD-SHELL", line] : ["CMD", ...list] };
}
