/** An mqtt.js client with sockets of our own: its connect() loads WebSockets, SOCKS and TLS for any link, 2 MB of memory. */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import type { PeerCertificate } from "node:tls";
import type { IClientOptions, MqttClient } from "mqtt";

type Check = (host: string, peer: PeerCertificate) => Error | undefined;

interface TlsOptions {
  readonly ca?: string;
  readonly checkServerIdentity?: Check;
}

type Open = (options: IClientOptions) => MqttClient;

/**
 * Loads what a URL needs; the function that it gives begins to connect. mqtt:// and mqtts:// (with `trust`) are done here; other URLs,
 * and those that name a user, are mqtt.js's own business. `onTrusted` gets a certificate that has passed.
 */
export async function loadClient(url: string, trust: TlsOptions | undefined, onTrusted: (peer: PeerCertificate) => void): Promise<Open> {
  const { default: mqtt } = await import("mqtt");
  const { protocol, hostname, port, username } = new URL(url);
  const tls = trust === undefined ? {} : await telling(trust, onTrusted);
  // For WebSockets mqtt.js takes a few of the options over by itself, and how the server is checked is not among them. They are those of
  // tls.connect(), whatever the types of ws say.
  const wsOptions = tls as NonNullable<IClientOptions["wsOptions"]>;
  if (!/^mqtts?:$/.test(protocol) || username !== "") return (options) => mqtt.connect(url, { ...options, ...tls, wsOptions });
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol === "mqtt:") return (options) => new mqtt.MqttClient(() => connectTcp({ host, port: Number(port || 1883) }), options);
  const { connect: connectTls } = await import("node:tls");
  const target = { host, port: Number(port || 8883), ...(isIP(host) === 0 ? { servername: host } : {}), ...tls };
  return (options) => new mqtt.MqttClient((client) => tellErrors(client, connectTls(target)), options);
}

async function telling(trust: TlsOptions, onTrusted: (peer: PeerCertificate) => void): Promise<TlsOptions> {
  const check = trust.checkServerIdentity ?? (await import("node:tls")).checkServerIdentity;
  const checkServerIdentity: Check = (host, peer) => {
    const wrong = check(host, peer);
    if (wrong === undefined) onTrusted(peer);
    return wrong;
  };
  return { ...trust, checkServerIdentity };
}

/** mqtt.js keeps the errors of its streams to itself when they are not of the network: a certificate's for instance. */
function tellErrors<S extends Socket>(client: MqttClient, socket: S): S {
  return socket.on("error", (error) => client.emit("error", error));
}
