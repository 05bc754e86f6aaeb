/** Enrolment, when power or network go at the worst moment. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { makePrivateDirectory } from "#agent/lib/atomic-file.ts";
import { systemClock } from "#agent/lib/clock.ts";
import { Access } from "#agent/link/access.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/link/access");
const SILENT = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };

test("a device that is cut off before it has its credentials asks again under the same id", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "lightv-access-"));
  t.cleanup(() => rm(root, { recursive: true }));
  await makePrivateDirectory(join(root, "agent"));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => {
      body += part.toString();
    });
    request.on("end", () => {
      const { device } = JSON.parse(body) as { device: string };
      asked.push(device);
      // The controller has enrolled it; the answer never comes.
      if (asked.length === 1) return void request.socket.destroy();
      const answer = { device, password: "p".repeat(32), mqttUrl: "mqtt://127.0.0.1:1", imagesUrl: "http://127.0.0.1:1" };
      response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.cleanup(() => server.close());
  const boot = (): Access =>
    new Access({
      config: {
        root,
        device: undefined,
        controllerUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        enrollToken: "t".repeat(32),
        enrollTokenFile: undefined,
        caFile: undefined,
        tlsPin: undefined,
        reconnectMaxMs: 1000,
      },
      clock: systemClock(),
      random: Math.random,
      log: SILENT,
      architecture: "amd64",
      agentVersion: "0.1.0",
      onEnrolled: () => undefined,
    });
  const cut = new AbortController();
  const first = boot().obtain(cut.signal);
  first.catch(() => undefined);
  while (asked.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
  cut.abort(new Error("the power is gone"));
  await first.then(
    () => assert.unreachable(),
    () => undefined,
  );
  const credentials = await boot().obtain(t.signal);
  assert.is(asked.length, 2);
  assert.is(asked[0], asked[1]);
  assert.is(credentials?.device, asked[0]);
  assert.equal(await readdir(join(root, "agent")), ["credentials.json"]);
});
