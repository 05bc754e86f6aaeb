/** The flags of `lightv fleet deploy` about what an app may write: its layer, its log, its files, block devices. Pure. */
import type { Budget } from "#agent/wire/protocol/app.ts";
import type { DeployFlags } from "./deploy-flags.ts";
import { parseBytes, parseInteger, parsePairs, usage } from "./values.ts";

const LEAST_LAYER = 16 * 1024 * 1024;
const LEAST_BURST = 64 * 1024;
const LEAST_LOG = 4096;
const MOST_OPEN_FILES = 1_048_576;

type StoreBudget = Pick<Budget, "disk" | "files" | "log" | "io">;
type DeviceRates = NonNullable<NonNullable<Budget["io"]>["devices"]>[number];

/** Over what `base` says, option by option. */
export function storeBudgetOf(flags: DeployFlags, base: StoreBudget = {}): StoreBudget {
  const log = logOf(flags.logOpt);
  const io = ioOf(flags);
  return {
    ...(flags.storageOpt === undefined ? {} : { disk: sizeOf(flags.storageOpt) }),
    ...(flags.ulimit === undefined ? {} : { files: openFilesOf(flags.ulimit) }),
    ...(log === undefined ? {} : { log: { ...base.log, ...log } }),
    ...(io === undefined ? {} : { io: { ...base.io, ...io } }),
  };
}

function sizeOf(text: string): number {
  const bytes = text.startsWith("size=") ? parseBytes("--storage-opt size", text.slice("size=".length)) : 0;
  if (bytes < LEAST_LAYER) throw usage("--storage-opt", text, "size= and a size from 16m");
  return bytes;
}

function openFilesOf(text: string): number {
  const number = /^nofile=(.*)$/.exec(text)?.[1];
  if (number === undefined) throw usage("--ulimit", text, "nofile=NUMBER");
  return parseInteger("--ulimit nofile", number, 1, MOST_OPEN_FILES);
}

function logOf(options: readonly string[]): Budget["log"] {
  if (options.length === 0) return undefined;
  const log: NonNullable<Budget["log"]> = {};
  for (const [key, value] of Object.entries(parsePairs("--log-opt", options))) {
    if (key === "max-size") log.maxSize = atLeast(LEAST_LOG, key, value);
    else if (key === "max-file") log.maxFiles = parseInteger("--log-opt max-file", value, 1, 1000);
    else if (key === "max-rate") log.rate = value === "unlimited" ? 0 : atLeast(1, key, value);
    else if (key === "max-burst") log.burst = atLeast(LEAST_BURST, key, value);
    else throw usage("--log-opt", `${key}=${value}`, "max-size=, max-file=, max-rate= or max-burst=");
  }
  return log;
}

function atLeast(least: number, key: string, value: string): number {
  const bytes = parseBytes(`--log-opt ${key}`, value);
  if (bytes < least) throw usage(`--log-opt ${key}`, value, `at least ${least} bytes`);
  return bytes;
}

function ioOf(flags: DeployFlags): Budget["io"] {
  const weight = flags.blkioWeight === undefined ? undefined : parseInteger("--blkio-weight", flags.blkioWeight, 10, 1000);
  const devices = devicesOf(flags);
  if (weight === undefined && devices.length === 0) return undefined;
  return { ...(weight === undefined ? {} : { weight }), ...(devices.length === 0 ? {} : { devices }) };
}

/** One entry a device, however many of its rates are given. */
function devicesOf(flags: DeployFlags): DeviceRates[] {
  const devices = new Map<string, DeviceRates>();
  const add = (flag: string, texts: readonly string[], key: Exclude<keyof DeviceRates, "device">, parse: typeof parseRate): void => {
    for (const text of texts) {
      const at = text.lastIndexOf(":");
      const device = text.slice(0, at);
      if (at < 0 || !device.startsWith("/dev/")) throw usage(flag, text, "/dev/NAME:RATE");
      devices.set(device, { ...(devices.get(device) ?? { device }), [key]: parse(flag, text.slice(at + 1)) });
    }
  };
  add("--device-read-bps", flags.deviceReadBps, "readBps", parseRate);
  add("--device-write-bps", flags.deviceWriteBps, "writeBps", parseRate);
  add("--device-read-iops", flags.deviceReadIops, "readIops", parseCount);
  add("--device-write-iops", flags.deviceWriteIops, "writeIops", parseCount);
  return [...devices.values()];
}

function parseRate(flag: string, value: string): number {
  const rate = parseBytes(flag, value);
  if (rate < 1) throw usage(flag, value, "at least one byte a second");
  return rate;
}

function parseCount(flag: string, value: string): number {
  return parseInteger(flag, value, 1);
}
