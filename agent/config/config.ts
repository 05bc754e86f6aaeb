/** The agent's configuration: file below, flags above it, defaults at the bottom. configs/agent/lightvd.conf documents every key. */
import { readFile } from "node:fs/promises";
import { type ConfValues, confBytes, confChoice, confInteger, confText, confWords, parseConf } from "#agent/lib/conf-file.ts";
import { errnoOf, LightvError, messageOf } from "#agent/lib/errors.ts";
import { LOG_LEVELS } from "#agent/lib/log.ts";
import { DEVICE_ID } from "#agent/wire/topics.ts";

const path = confText("an absolute path", /^\/\S*$/);
const httpUrl = confText("an http:// or https:// URL", /^https?:\/\/\S+$/);

export const SCHEMA = {
  root: path,
  runroot: path,
  device: confText("1 to 63 lower-case letters, digits and hyphens", DEVICE_ID),
  "controller-url": httpUrl,
  "enroll-token": confText("a token of 16 to 256 characters", /^\S{16,256}$/),
  "enroll-token-file": path,
  "mqtt-url": confText("an mqtt://, mqtts://, ws:// or wss:// URL", /^(mqtts?|wss?):\/\/\S+$/),
  "ca-file": path,
  "tls-pin": confText("sha256: and 64 hexadecimal digits", /^sha256:[0-9a-f]{64}$/),
  "mqtt-keepalive": confInteger(5, 3600, " of seconds"),
  "reconnect-max": confInteger(1, 3600, " of seconds"),
  heartbeat: confInteger(1, 86_400, " of seconds"),
  "outbox-max": confBytes(65_536),
  "memory-reserve": confBytes(0),
  "operation-timeout": confInteger(1, 86_400, " of seconds"),
  "reboot-command": confWords,
  "update-keys-dir": path,
  "update-trial": confInteger(10, 600, " of seconds"),
  "log-level": confChoice(...LOG_LEVELS),
} as const;

type Values = ConfValues<typeof SCHEMA>;
export type ConfigKey = keyof typeof SCHEMA;

export interface Config {
  readonly root: string;
  readonly runroot: string;
  readonly device: string | undefined;
  readonly controllerUrl: string | undefined;
  readonly enrollToken: string | undefined;
  readonly enrollTokenFile: string | undefined;
  readonly mqttUrl: string | undefined;
  readonly caFile: string | undefined;
  readonly tlsPin: string | undefined;
  readonly keepaliveMs: number;
  readonly reconnectMaxMs: number;
  readonly heartbeatMs: number;
  readonly outboxMaxBytes: number;
  readonly memoryReserveBytes: number;
  readonly operationTimeoutMs: number;
  readonly rebootCommand: readonly string[];
  readonly updateKeysDirectory: string;
  readonly updateTrialMs: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
}

/**
 * Reads `file` and lets `flags` win over it. A missing file is an error only when `required`, that is when somebody named it.
 * Throws LV_CONFIG with file:line and what is allowed.
 */
export async function loadConfig(file: string, flags: Values, required: boolean): Promise<Config> {
  let text = "";
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (required || errnoOf(error) !== "ENOENT")
      throw new LightvError("LV_CONFIG", `can't read ${file}: ${messageOf(error)}`, { hint: "name a file with --config", cause: error });
  }
  return resolveConfig({ ...parseConf(text, file, SCHEMA), ...flags }, file);
}

/** Fills the defaults and checks what one key means for another. Pure. */
export function resolveConfig(values: Values, file: string): Config {
  if (values["enroll-token"] !== undefined && values["enroll-token-file"] !== undefined)
    throw new LightvError("LV_CONFIG", `${file}: both enroll-token and enroll-token-file are given`, { hint: "keep one of the two" });
  return {
    root: values.root ?? "/var/lib/lightv",
    runroot: values.runroot ?? "/run/lightv",
    device: values.device,
    controllerUrl: values["controller-url"],
    enrollToken: values["enroll-token"],
    enrollTokenFile: values["enroll-token-file"],
    mqttUrl: values["mqtt-url"],
    caFile: values["ca-file"],
    tlsPin: values["tls-pin"],
    keepaliveMs: (values["mqtt-keepalive"] ?? 30) * 1000,
    reconnectMaxMs: (values["reconnect-max"] ?? 60) * 1000,
    heartbeatMs: (values.heartbeat ?? 30) * 1000,
    outboxMaxBytes: values["outbox-max"] ?? 8 * 1024 * 1024,
    memoryReserveBytes: values["memory-reserve"] ?? 64 * 1024 * 1024,
    operationTimeoutMs: (values["operation-timeout"] ?? 600) * 1000,
    rebootCommand: values["reboot-command"] ?? ["systemctl", "reboot"],
    updateKeysDirectory: values["update-keys-dir"] ?? "/etc/lightv/update-keys",
    updateTrialMs: (values["update-trial"] ?? 60) * 1000,
    logLevel: values["log-level"] ?? "info",
  };
}
