/** A session over each kind of URL, and whom it trusts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { openSession, type Session } from "#agent/link/session.ts";
import { Authority, tlsFlags } from "#test/lib/certificates.ts";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/session");
const directory = mkdtempSync(join(tmpdir(), "lightv-session-"));
let fleet: Fleet;
let ca: string;

test.before(async () => {
  const authority = new Authority(directory, "ca");
  ca = authority.pem;
  const server = authority.issue("server", "DNS:localhost,IP:127.0.0.1");
  const listen = ["mqtt.tls-listen", "mqtt.ws-listen", "mqtt.wss-listen"].flatMap((key) => ["--set", `${key}=127.0.0.1:0`]);
  fleet = await startFleet(directory, { extra: [...tlsFlags(server), ...listen], ca });
});
test.after(async () => {
  await fleet?.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function open(url: string, name: string, trust: { ca?: string; pin?: string }): Promise<Session> {
  const { device, password } = await fleet.enroll(name);
  const rest = { keepaliveMs: 30_000, will: "{}", onMessage: () => undefined };
  return openSession({ url, device, password, ca: trust.ca, pin: trust.pin, ...rest }, new AbortController().signal);
}

for (const kind of ["mqtt", "mqtts", "ws", "wss"] as const)
  test(`connects over ${kind}, by address and by name`, async () => {
    const url = fleet.endpoints[kind] ?? "";
    for (const [index, target] of [url, url.replace("127.0.0.1", "localhost")].entries())
      await (await open(target, `${kind}-${index}`, { ca })).close();
  });

for (const [what, trust] of [
  ["the CA is unknown", {}],
  ["the pin is another's", { pin: "00".repeat(32) }],
] as const)
  test(`turns away over mqtts, and says why, when ${what}`, async () => {
    const opened = open(fleet.endpoints.mqtts ?? "", what.replaceAll(/[^a-z]/g, ""), { ...("pin" in trust ? { ca } : {}), ...trust });
    const reason = await opened.then(() => "connected", String);
    assert.match(reason, /certificate|fingerprint|CA/);
  });
