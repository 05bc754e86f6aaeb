/** Desired states and commands: they arrive, also at a device that was away, and commands are answered once. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { at, connectDevice, eventually } from "#test/lib/mqtt-device.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/dispatch");
const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
let fleet: Fleet;

test.before(async () => {
  fleet = await startFleet(directory);
});
test.after(async () => {
  await fleet.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface CommandView {
  readonly id: string;
  readonly state: string;
  readonly sent: number;
  readonly result: { ok: boolean; stdout?: string; code?: string } | null;
}

const image = { name: "web:latest", digest: `sha256:${"ab".repeat(32)}`, size: 4096, url: "http://127.0.0.1:1/web.lv" };
const apps = (...names: string[]) => ({ apps: names.map((name) => ({ name, image })) });
const revision = (n: number) => (message: Record<string, unknown>) => message.revision === n;
const withId = (id: string) => (message: Record<string, unknown>) => message.id === id;

test("a desired state reaches a connected device at once, with a revision that grows", async (t) => {
  const dev = await connectDevice(await fleet.enroll("here"));
  t.cleanup(() => dev.leave());
  await dev.next("ack");
  assert.is((await fleet.api<{ revision: number }>("PUT", "/v1/devices/here/desired", apps("web"))).revision, 1);
  assert.is((await fleet.api<{ revision: number }>("PUT", "/v1/devices/here/desired", apps("web", "db"))).revision, 2);
  assert.is(((await dev.next("desired", revision(2))).message.apps as unknown[]).length, 2);
  assert.is((await fleet.api<{ revision: number }>("DELETE", "/v1/devices/here/apps/db")).revision, 3);
  assert.equal((await dev.next("desired", revision(3))).message.apps, [{ name: "web", image }]);
});

test("a device that was away gets it on its next connection, retained by the broker and sent by the controller", async (t) => {
  const credentials = await fleet.enroll("away");
  await fleet.api("PUT", "/v1/devices/away/desired", apps("web"));
  const dev = await connectDevice(credentials);
  t.cleanup(() => dev.leave());
  await dev.next("desired", revision(1));
  await eventually(() => dev.received.find(({ channel, retain }) => channel === "desired" && retain), "the retained one");
  await eventually(() => dev.received.find(({ channel, retain }) => channel === "desired" && !retain), "the controller's own");
});

test("a restart of the controller loses nothing that is desired, and a report of a lower revision asks for it", async (t) => {
  const credentials = await fleet.enroll("restarted");
  await fleet.api("PUT", "/v1/devices/restarted/desired", apps("web"));
  await fleet.restart();
  const dev = await connectDevice(credentials, { session: 2 });
  t.cleanup(() => dev.leave());
  await dev.next("desired", revision(1));
});

test("a device with a higher revision than the controller gets the controller's state above its own", async (t) => {
  const dev = await connectDevice(await fleet.enroll("ahead"));
  t.cleanup(() => dev.leave());
  await fleet.api("PUT", "/v1/devices/ahead/desired", apps("web"));
  await dev.next("desired", revision(1));
  await dev.reported(1, 41);
  const { message } = await dev.next("desired", revision(42));
  assert.is((message.apps as unknown[]).length, 1);
  assert.is((await fleet.api<{ revision: number }>("GET", "/v1/devices/ahead/desired")).revision, 42);
});

test("a controller that was never told anything does not empty a device that has a state", async (t) => {
  const dev = await connectDevice(await fleet.enroll("inherited"));
  t.cleanup(() => dev.leave());
  await dev.next("ack");
  await dev.reported(1, 7);
  await eventually(async () => {
    const { reportedRevision } = await fleet.api<{ reportedRevision: number }>("GET", "/v1/devices/inherited");
    return reportedRevision === 7 ? true : undefined;
  }, "the report");
  assert.equal(dev.of("desired"), []);
  assert.is((await fleet.api<{ revision: number }>("PUT", "/v1/devices/inherited/desired", apps("web"))).revision, 8);
});

test("an expected revision that is not the one of now is a conflict", async () => {
  await fleet.enroll("guarded");
  await fleet.api("PUT", "/v1/devices/guarded/desired", apps("web"));
  const stale = await fleet.raw("PUT", "/v1/devices/guarded/desired", { ...apps(), expectedRevision: 0 });
  assert.is(stale.status, 409);
  assert.is((stale.body as { error: { code: string } }).error.code, "LV_STALE_REVISION");
  const large = {
    apps: [{ name: "web", image, env: Object.fromEntries(Array.from({ length: 70 }, (_, n) => [`E${n}`, "x".repeat(1000)])) }],
  };
  const tooLarge = await fleet.raw("PUT", "/v1/devices/guarded/desired", large);
  assert.is(tooLarge.status, 400);
  assert.is((await fleet.api<{ revision: number }>("GET", "/v1/devices/guarded/desired")).revision, 1);
});

test("a command is answered, and who waits gets the answer", async (t) => {
  const dev = await connectDevice(await fleet.enroll("doing"));
  t.cleanup(() => dev.leave());
  await dev.next("ack");
  const waiting = fleet.api<CommandView>("POST", "/v1/devices/doing/commands?waitMs=20000", { type: "exec", app: "web", command: ["ls"] });
  const { message } = await dev.next("cmd");
  await dev.publish("result", { id: message.id, ok: true, at: at(), exitCode: 0, stdout: "a\n" });
  await dev.publish("result", { id: message.id, ok: true, at: at(), exitCode: 0, stdout: "again\n" });
  await dev.publish("result", { id: "nobody-asked", ok: true, at: at() });
  const view = await waiting;
  assert.is(view.state, "answered");
  assert.is(view.result?.stdout, "a\n");
  assert.ok(dev.client.connected);
});

test("commands to a device that is away are kept over restarts of both, sent in order on each connection until answered", async (t) => {
  const credentials = await fleet.enroll("offline");
  const given: string[] = [];
  for (let n = 0; n < 3; n += 1)
    given.push((await fleet.api<CommandView>("POST", "/v1/devices/offline/commands", { type: "restart", app: "web" })).id);
  await fleet.restart();
  const first = await connectDevice(credentials, { session: 1 });
  await first.next("cmd", withId(given[2] ?? ""));
  assert.equal(
    first.of("cmd").map(({ id }) => id),
    given,
  );
  await first.publish("result", { id: given[1], ok: true, at: at() });
  await eventually(async () => {
    const { state } = await fleet.api<CommandView>("GET", `/v1/devices/offline/commands/${given[1]}`);
    return state === "answered" ? true : undefined;
  }, "the answer");
  await first.leave();
  const second = await connectDevice(credentials, { session: 2 });
  t.cleanup(() => second.leave());
  await second.next("cmd", withId(given[2] ?? ""));
  assert.equal(
    second.of("cmd").map(({ id }) => id),
    [given[0], given[2]],
  );
});

test("a command that is over is not sent any more; an answer that comes late is still kept", async (t) => {
  const credentials = await fleet.enroll("late");
  const { id } = await fleet.api<CommandView>("POST", "/v1/devices/late/commands", { type: "reboot", expiresInMs: 300 });
  const over = await fleet.api<CommandView>("GET", `/v1/devices/late/commands/${id}?waitMs=20000`);
  assert.is(over.state, "expired");
  const dev = await connectDevice(credentials);
  t.cleanup(() => dev.leave());
  await dev.next("ack");
  const marker = await fleet.api<CommandView>("POST", "/v1/devices/late/commands", { type: "inventory" });
  await dev.next("cmd", withId(marker.id));
  assert.equal(
    dev.of("cmd").map((message) => message.id),
    [marker.id],
  );
  await dev.publish("result", { id, ok: true, at: at() });
  const late = await eventually(async () => {
    const view = await fleet.api<CommandView>("GET", `/v1/devices/late/commands/${id}`);
    return view.result === null ? undefined : view;
  }, "the late answer");
  assert.is(late.state, "answered");
});

test("the same command id again is the same command; another one under it is a conflict", async () => {
  await fleet.enroll("repeated");
  const body = { id: "once", type: "restart", app: "web" };
  await fleet.api("POST", "/v1/devices/repeated/commands", body);
  await fleet.api("POST", "/v1/devices/repeated/commands", body);
  const { commands } = await fleet.api<{ commands: CommandView[] }>("GET", "/v1/devices/repeated/commands");
  assert.is(commands.length, 1);
  const other = await fleet.raw("POST", "/v1/devices/repeated/commands", { id: "once", type: "reboot" });
  assert.is(other.status, 409);
});

test("a command that does not exist, lacks its app or is for nobody is refused with the reason", async () => {
  await fleet.enroll("picky");
  for (const body of [
    { type: "selfdestruct" },
    { type: "restart" },
    { type: "exec", app: "web", command: [] },
    { type: "exec", app: "../x", command: ["a"] },
  ]) {
    const { status, body: answer } = await fleet.raw("POST", "/v1/devices/picky/commands", body);
    assert.is(status, 400, JSON.stringify(body));
    assert.is((answer as { error: { code: string } }).error.code, "LV_USAGE");
  }
  assert.is((await fleet.raw("POST", "/v1/devices/nobody/commands", { type: "reboot" })).status, 404);
});
