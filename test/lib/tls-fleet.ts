/** A controller that listens with TLS and WebSocket too, under a CA that is made for it. */
import { Authority, tlsFlags } from "#test/lib/certificates.ts";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";

const LISTENERS = ["mqtt.tls-listen", "mqtt.ws-listen", "mqtt.wss-listen"];

/** Its files lie in `directory`; `ca` is PEM. Reached as localhost and 127.0.0.1, by ports of the kernel's choice. */
export async function startTlsFleet(directory: string): Promise<{ readonly fleet: Fleet; readonly ca: string }> {
  const authority = new Authority(directory, "ca");
  const ca = authority.pem;
  const server = authority.issue("server", "DNS:localhost,IP:127.0.0.1");
  const listen = LISTENERS.flatMap((key) => ["--set", `${key}=127.0.0.1:0`]);
  return { fleet: await startFleet(directory, { extra: [...tlsFlags(server), ...listen], ca }), ca };
}
