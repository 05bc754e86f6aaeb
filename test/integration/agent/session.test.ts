/** A session over each kind of URL, and whom it trusts. */
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { openSession, type Session } from "#agent/link/session.ts";
import type { Fleet } from "#test/lib/fleet.ts";
import { suite } from "#test/lib/suite.ts";
import { startTlsFleet } from "#test/lib/tls-fleet.ts";

const test = suite("agent/session");
const directory = mkdtempSync(join(tmpdir(), "lightv-session-"));
let fleet: Fleet;
let ca: string;

test.before(async () => {
  ({ fleet, ca } = await startTlsFleet(directory));
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

test("tells until when the broker's certificate is good, over each kind of TLS", async () => {
  const { validTo } = new X509Certificate(readFileSync(join(directory, "server.crt")));
  for (const [kind, end] of [
    ["mqtt", undefined],
    ["mqtts", Date.parse(validTo)],
    ["ws", undefined],
    ["wss", Date.parse(validTo)],
  ] as const) {
    const session = await open(fleet.endpoints[kind] ?? "", `until-${kind}`, { ca });
    assert.is(session.certificateEndMs(), end, kind);
    await session.close();
  }
});

for (const [what, trust] of [
  ["the CA is unknown", {}],
  ["the pin is another's", { pin: "00".repeat(32) }],
] as const)
  for (const kind of ["mqtts", "wss"] as const)
    test(`turns away over ${kind}, and says why, when ${what}`, async () => {
      const name = `${kind}${what.replaceAll(/[^a-z]/g, "")}`;
      const opened = open(fleet.endpoints[kind] ?? "", name, { ...("pin" in trust ? { ca } : {}), ...trust });
      const reason = await opened.then(() => "connected", String);
      assert.match(reason, /certificate|fingerprint|CA/);
    });

/** MQTT 3.1.1 as far as a session needs it to begin: CONNACK and SUBACK; nothing published is ever acknowledged. */
function answer(socket: Socket, packet: Buffer): void {
  if (packet[0] === 0x10) socket.write(Buffer.from([0x20, 2, 0, 0]));
  if (packet[0] !== 0x82) return;
  const filters = packet.toString("latin1").split("lv/1/").length - 1;
  socket.write(Buffer.from([0x90, 2 + filters, packet[2] ?? 0, packet[3] ?? 0, ...new Array<number>(filters).fill(1)]));
}

test("ends when the connection broke before a message was acknowledged", async (t) => {
  const server = createServer((socket) => {
    socket.on("data", (packet: Buffer) => (packet[0] === 0x32 ? socket.destroy() : answer(socket, packet)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.cleanup(() => server.close());
  const { port } = server.address() as { port: number };
  const rest = { keepaliveMs: 30_000, will: "{}", onMessage: () => undefined, ca: undefined, pin: undefined };
  const session = await openSession({ url: `mqtt://127.0.0.1:${port}`, device: "d", password: "p", ...rest }, t.signal);
  assert.match(await session.publish("event", "{}").then(() => "acknowledged", String), /has ended/);
  await session.closed;
  await session.close();
});
