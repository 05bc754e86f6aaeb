/** Health probes against real listeners: what counts as an answer, and what is told when there is none. */
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import * as assert from "uvu/assert";
import { systemClock } from "#agent/lib/clock.ts";
import { SandboxEngine } from "#agent/sandbox/engine.ts";
import { type HealthState, watchHealth } from "#agent/supervisor/health.ts";
import type { HealthCheck } from "#agent/wire/protocol/app.ts";
import { FakeClock } from "#test/lib/fake-clock.ts";
import { FakeNative } from "#test/lib/fake-native.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/health");

async function listening(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.cleanup(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as { port: number }).port;
}

/** The first state that a probe makes. */
async function firstState(probe: HealthCheck["probe"], timeoutMs = 5000): Promise<HealthState> {
  const ended = new AbortController();
  const engine = new SandboxEngine(new FakeNative(new FakeClock()).engine());
  const { promise, resolve } = Promise.withResolvers<HealthState>();
  const check = { probe, timeoutMs, intervalMs: 1, retries: 1 };
  const watching = watchHealth(engine, systemClock(), "id", check, ended.signal, resolve);
  const state = await promise;
  ended.abort(new Error("seen"));
  await watching;
  return state;
}

for (const [status, health] of [
  [200, "healthy"],
  [302, "healthy"],
  [404, "unhealthy"],
  [503, "unhealthy"],
] as const)
  test(`http: ${status} is ${health}`, async (t) => {
    const asked: (string | undefined)[] = [];
    const server = createHttpServer((request, response) => {
      asked.push(request.url);
      response.writeHead(status, { location: "/elsewhere" }).end("x".repeat(100_000));
    });
    const port = await listening(t, server);
    const state = await firstState({ http: { port, path: "/healthz?deep=1" } });
    assert.is(state.health, health);
    assert.is(asked[0], "/healthz?deep=1");
    assert.is(state.reason, health === "healthy" ? "" : `port ${port} answered ${status} for /healthz?deep=1`);
  });

test("http: a status line that comes byte by byte is read all the same", async (t) => {
  const server = createServer(async (socket) => {
    for (const byte of "HTTP/1.1 204 No Content\r\n\r\n") {
      if (socket.destroyed) return;
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const port = await listening(t, server);
  assert.is((await firstState({ http: { port } })).health, "healthy");
});

test("http: another protocol, a silent listener, and one that hangs up are told apart", async (t) => {
  const ssh = await listening(
    t,
    createServer((socket) => socket.write(`SSH-2.0-OpenSSH${"x".repeat(100)}\r\n`)),
  );
  assert.is((await firstState({ http: { port: ssh } })).reason, `port ${ssh} does not speak HTTP`);
  const silent = await listening(
    t,
    createServer(() => undefined),
  );
  assert.is((await firstState({ http: { port: silent } }, 50)).reason, `no answer from port ${silent} within 50 ms`);
  const rude = await listening(
    t,
    createServer((socket) => socket.on("data", () => socket.end())),
  );
  assert.is((await firstState({ http: { port: rude } })).reason, `port ${rude} closed without an answer`);
});

test("tcp: who listens is healthy, and a port that nobody has is not", async (t) => {
  const server = createServer();
  const port = await listening(t, server);
  assert.is((await firstState({ tcp: { port } })).health, "healthy");
  await new Promise((resolve) => server.close(resolve));
  const state = await firstState({ tcp: { port } });
  assert.is(state.health, "unhealthy");
  assert.match(state.reason, new RegExp(`^port ${port}: .*ECONNREFUSED`));
});
