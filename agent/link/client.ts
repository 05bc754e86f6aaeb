/** An mqtt.js client with sockets of our own: its connect() loads WebSockets, SOCKS and TLS for any link, 2 MB of memory. */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import type { IClientOptions, MqttClient } from "mqtt";

interface TlsOptions {
  readonly ca?: string;
}

type Open = (options: IClientOptions) => MqttClient;

/**
 * Loads what a URL needs; the function that it gives begins to connect. mqtt:// and mqtts:// (with `tls`) are done here; other URLs,
 * and those that name a user, are mqtt.js's own business.
 */
export async function loadClient(url: string, tls: TlsOptions): Promise<Open> {
  const { default: mqtt } = await import("mqtt");
  const { protocol, hostname, port, username } = new URL(url);
  if (!/^mqtts?:$/.test(protocol) || username !== "") return (options) => mqtt.connect(url, { ...options, ...tls });
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol === "mqtt:") return (options) => new mqtt.MqttClient(() => connectTcp({ host, port: Number(port || 1883) }), options);
  const { connect: connectTls } = await import("node:tls");
  const target = { host, port: Number(port || 8883), ...(isIP(host) === 0 ? { servername: host } : {}), ...tls };
  return (options) => new mqtt.MqttClient((client) => tellErrors(client, connectTls(target)), options);
}

/** mqtt.js keeps the errors of its streams to itself when they are not of the network: a certificate's for instance. */
function tellErrors<S extends Socket>(client: MqttClient, socket: S): S {
  return socket.on("error", (error) => client.emit("error", error));
}
