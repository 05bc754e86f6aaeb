/** The controller's configuration: file, flags over it, defaults under it, and the checks that go over several keys. */
import { type ConfValues, parseConf, parseValue } from "#agent/lib/conf-file.ts";
import { LightvError } from "#agent/lib/errors.ts";
import type { LogLevel } from "#agent/lib/log.ts";
import { type HostPort, KEYS, parseHostPort } from "./keys.ts";

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export interface FleetConfig {
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  readonly api: { readonly listen: HostPort; readonly tls: TlsFiles | undefined; readonly publicUrl: string | undefined };
  readonly mqtt: {
    readonly listeners: readonly { readonly kind: "mqtt" | "mqtts" | "ws" | "wss"; readonly at: HostPort }[];
    readonly tls: TlsFiles | undefined;
    readonly publicUrl: string | undefined;
    readonly connectsPerSecond: number;
    /** An external broker instead of the embedded one. */
    readonly external:
      | { readonly url: string; readonly username?: string; readonly passwordFile?: string; readonly caFile?: string }
      | undefined;
  };
  readonly maxImageBytes: number;
  readonly keepEventsMs: number;
}

type Values = ConfValues<typeof KEYS>;

/** `flags`: `key=value` texts of `--set`, over the file. Throws LV_CONFIG with file:line or the flag. */
export function readConfig(text: string, file: string, flags: readonly string[] = []): FleetConfig {
  const values: Record<string, unknown> = parseConf(text, file, KEYS);
  for (const flag of flags) {
    const at = flag.indexOf("=");
    if (at < 1) throw new LightvError("LV_USAGE", `--set ${flag}: not KEY=VALUE`, { hint: "for example --set api.listen=127.0.0.1:8088" });
    const key = flag.slice(0, at).trim();
    values[key] = parseValue(`--set ${key}`, key, flag.slice(at + 1).trim(), KEYS);
  }
  return combine(values as Values);
}

function combine(values: Values): FleetConfig {
  const listeners = listenersOf(values);
  const mqttTls = tlsOf(values, "mqtt");
  const apiTls = tlsOf(values, "api");
  const external = externalOf(values);
  const api = values["api.listen"] ?? { host: "127.0.0.1", port: 8088 };
  if (mqttTls === undefined && listeners.some(({ kind }) => kind === "mqtts" || kind === "wss"))
    throw conflict("mqtt.tls-listen and mqtt.wss-listen need mqtt.tls-cert and mqtt.tls-key", "give both PEM files");
  if (!(values.insecure ?? false)) {
    if (apiTls === undefined) refuseOpen("api.listen", api, "api.tls-cert and api.tls-key");
    for (const { kind, at } of listeners) {
      if (kind === "mqtt") refuseOpen("mqtt.listen", at, "mqtt.tls-listen in its place");
      if (kind === "ws") refuseOpen("mqtt.ws-listen", at, "mqtt.wss-listen in its place");
    }
    if (external !== undefined && /^(mqtt|ws):/.test(external.url) && !isLoopback(new URL(external.url).hostname))
      throw conflict(`mqtt.url = ${external.url} goes to another machine without TLS`, "use mqtts:// or wss://, or say insecure = yes");
  }
  return {
    dataDir: values["data-dir"] ?? "/var/lib/lightv-fleet",
    logLevel: values["log-level"] ?? "info",
    api: { listen: api, tls: apiTls, publicUrl: values["api.public-url"] },
    mqtt: {
      listeners: external === undefined ? listeners : [],
      tls: mqttTls,
      publicUrl: values["mqtt.public-url"],
      connectsPerSecond: values["mqtt.connects-per-second"] ?? 100,
      external,
    },
    maxImageBytes: (values["images.max-size"] ?? 8192) * 1024 * 1024,
    keepEventsMs: (values["events.keep-days"] ?? 30) * 86_400_000,
  };
}

function listenersOf(values: Values): FleetConfig["mqtt"]["listeners"] {
  const plain = values["mqtt.listen"] ?? "127.0.0.1:1883";
  const at = plain === "off" ? undefined : parseHostPort(plain);
  if (plain !== "off" && at === undefined) throw conflict(`mqtt.listen = ${plain} is not host:port, nor off`, "for example 127.0.0.1:1883");
  return [
    { kind: "mqtt", at },
    { kind: "mqtts", at: values["mqtt.tls-listen"] },
    { kind: "ws", at: values["mqtt.ws-listen"] },
    { kind: "wss", at: values["mqtt.wss-listen"] },
  ].filter((listener): listener is FleetConfig["mqtt"]["listeners"][number] => listener.at !== undefined);
}

function tlsOf(values: Values, part: "api" | "mqtt"): TlsFiles | undefined {
  const cert = values[`${part}.tls-cert`];
  const key = values[`${part}.tls-key`];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) throw conflict(`${part}.tls-cert and ${part}.tls-key go together`, "give both, or none");
  return { cert, key };
}

function externalOf(values: Values): FleetConfig["mqtt"]["external"] {
  const url = values["mqtt.url"];
  if (url === undefined) return undefined;
  if (values["mqtt.public-url"] === undefined)
    throw conflict("mqtt.url needs mqtt.public-url", "say how devices reach that broker: it is told to them when they enrol");
  const username = values["mqtt.username"];
  const passwordFile = values["mqtt.password-file"];
  const caFile = values["mqtt.ca-file"];
  return {
    url,
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(caFile === undefined ? {} : { caFile }),
  };
}

/** Passwords and tokens must not cross a network in the clear because somebody forgot a line. */
function refuseOpen(key: string, at: HostPort, remedy: string): void {
  if (isLoopback(at.host)) return;
  throw conflict(
    `${key} = ${at.host}:${at.port} is open to the network without TLS`,
    `set ${remedy}; or listen on 127.0.0.1; or say insecure = yes when the network itself is safe`,
  );
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

function conflict(message: string, hint: string): LightvError {
  return new LightvError("LV_CONFIG", message, { hint });
}
