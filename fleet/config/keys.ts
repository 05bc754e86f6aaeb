/** Every key of lightv-fleet.conf: how its value is read. configs/fleet/lightv-fleet.conf says what each is for. */
import { type ConfKey, type ConfSchema, confBoolean, confChoice, confInteger, confText } from "#agent/lib/conf-file.ts";
import { LOG_LEVELS } from "#agent/lib/log.ts";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const hostPort: ConfKey<HostPort> = {
  parse: (text) => {
    const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
    const host = match?.[1] ?? match?.[2];
    const port = Number(match?.[3]);
    return host === undefined || port > 65_535 ? undefined : { host, port };
  },
  allowed: "host:port or [IPv6 address]:port; port 0 asks for a free one",
};

const path = confText("an absolute path", /^\/.*$/);

function url(...schemes: readonly string[]): ConfKey<string> {
  return {
    parse: (text) => (schemes.includes(URL.parse(text)?.protocol.slice(0, -1) ?? "") ? text.replace(/\/$/, "") : undefined),
    allowed: `a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`,
  };
}

export const KEYS = {
  "data-dir": path,
  insecure: confBoolean,
  "log-level": confChoice(...LOG_LEVELS),
  "api.listen": hostPort,
  "api.tls-cert": path,
  "api.tls-key": path,
  "api.public-url": url("http", "https"),
  "mqtt.listen": confText("host:port, or off", /^.+$/),
  "mqtt.tls-listen": hostPort,
  "mqtt.ws-listen": hostPort,
  "mqtt.wss-listen": hostPort,
  "mqtt.tls-cert": path,
  "mqtt.tls-key": path,
  "mqtt.public-url": url("mqtt", "mqtts", "ws", "wss"),
  "mqtt.connects-per-second": confInteger(1, 100_000),
  "mqtt.url": url("mqtt", "mqtts", "ws", "wss"),
  "mqtt.username": confText("a user name"),
  "mqtt.password-file": path,
  "mqtt.ca-file": path,
  "images.max-size": confInteger(1, 1_000_000, " of MiB"),
  "events.keep-days": confInteger(1, 36_500, " of days"),
} as const satisfies ConfSchema;

export const parseHostPort = hostPort.parse;
