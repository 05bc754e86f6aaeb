/** Listeners with TLS and WebSocket, under a CA that is made here; and the refusal to be open without TLS. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { connectDevice, event } from "#test/lib/mqtt-device.ts";
import { suite } from "#test/lib/suite.ts";
import { startTlsFleet } from "#test/lib/tls-fleet.ts";

const test = suite("fleet/tls");
const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
let fleet: Fleet;
let ca: string;

test.before(async () => {
  ({ fleet, ca } = await startTlsFleet(directory));
});
test.after(async () => {
  await fleet?.stop();
  rmSync(directory, { recursive: true, force: true });
});

for (const kind of ["mqtt", "mqtts", "ws", "wss"] as const)
  test(`a device reports over ${kind}`, async (t) => {
    const credentials = await fleet.enroll(`over-${kind}`);
    const device = await connectDevice({ ...credentials, mqttUrl: fleet.endpoints[kind] ?? "" }, { ca: [ca] });
    t.cleanup(() => device.leave());
    await device.events(event(1));
    await device.next("ack", (message) => message.seq === 1);
  });

for (const kind of ["mqtts", "wss"] as const)
  test(`over ${kind} a client that does not know the CA turns away`, async () => {
    const credentials = await fleet.enroll(`strict-${kind}`);
    const error = await connectDevice({ ...credentials, mqttUrl: fleet.endpoints[kind] ?? "" }).then(
      (device) => device.end(),
      (reason: unknown) => String(reason),
    );
    assert.match(String(error), /certificate|issuer|closed/i);
  });

test("the API speaks HTTPS, and devices are told so", async () => {
  assert.match(fleet.endpoints.api, /^https:/);
  assert.match((await fleet.enroll("told")).imagesUrl, /^https:/);
});

for (const [key, value] of [
  ["api.listen", "0.0.0.0:0"],
  ["mqtt.listen", "0.0.0.0:0"],
  ["mqtt.ws-listen", "[::]:0"],
] as const)
  test(`${key} beyond this machine without TLS is refused, unless the configuration says insecure`, async (t) => {
    const other = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
    t.cleanup(() => rmSync(other, { recursive: true, force: true }));
    const extra = ["--set", `${key}=${value}`];
    const refusal = await startFleet(other, { extra }).then(
      (started) => started.stop(),
      (error: unknown) => String(error),
    );
    assert.match(String(refusal), /open to the network without TLS/);
    const open = await startFleet(other, { extra: [...extra, "--set", "insecure=yes"] });
    assert.is(await open.stop(), 0);
  });
