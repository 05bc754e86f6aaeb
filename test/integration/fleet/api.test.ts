/** The API: who may, enrolment, the event stream, errors, the document that describes it. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { lvFile } from "#test/lib/lv-file.ts";
import { connectDevice, event, eventually } from "#test/lib/mqtt-device.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/api");
const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
let fleet: Fleet;

test.before(async () => {
  fleet = await startFleet(directory);
});
test.after(async () => {
  await fleet.stop();
  rmSync(directory, { recursive: true, force: true });
});

const enrol = (token: string, device?: string, authorization = "") =>
  fleet.raw(
    "POST",
    "/v1/enroll",
    { token, architecture: "arm64", agentVersion: "0.1.0", ...(device === undefined ? {} : { device }) },
    { token: authorization },
  );

test("without the API token nothing is told, and the token's file is its owner's alone", async () => {
  for (const path of ["/v1/devices", "/v1/events", "/v1/stream", "/v1/tokens", "/v1/images", "/v1/status", "/v1/audit", "/metrics"])
    for (const token of ["", "Bearer wrong", `Basic ${fleet.token}`, `Bearer ${fleet.token}x`])
      assert.is((await fleet.raw("GET", path, undefined, { token })).status, 401, `${path} ${token}`);
  assert.is(statSync(join(directory, "api-token")).mode & 0o777, 0o600);
  assert.is((await fleet.raw("GET", "/healthz", undefined, { token: "" })).status, 200);
});

test("a token enrols as often as it says; wrong, used up, expired and revoked ones do not", async () => {
  const { token } = await fleet.api<{ token: string }>("POST", "/v1/tokens", { uses: 2 });
  const first = await enrol(token);
  assert.is(first.status, 201);
  assert.match((first.body as { device: string }).device, /^[a-z0-9]{12}$/);
  assert.is((await enrol(token, "named")).status, 201);
  assert.is((await enrol(token, "third")).status, 401);
  assert.is((await enrol("lvt_not-a-token-at-all")).status, 401);
  const short = await fleet.api<{ token: string }>("POST", "/v1/tokens", { expiresInMs: 1000 });
  const revoked = await fleet.api<{ token: string; id: string }>("POST", "/v1/tokens", {});
  await fleet.api("DELETE", `/v1/tokens/${revoked.id}`);
  assert.is((await enrol(revoked.token)).status, 401);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  assert.is((await enrol(short.token)).status, 401);
  const { tokens } = await fleet.api<{ tokens: object[] }>("GET", "/v1/tokens");
  assert.not(JSON.stringify(tokens).includes(token), "a secret is shown again");
});

test("an id that is taken is given again to its owner, or to the same token while it was never used; to nobody else", async () => {
  const mine = await fleet.enrolmentToken(1);
  const lost = (await enrol(mine, "twice")).body as { password: string };
  const again = await enrol(mine, "twice");
  assert.is(again.status, 201, "the answer to the first try was lost");
  const { password, ...rest } = again.body as { password: string; device: string; mqttUrl: string; imagesUrl: string };
  assert.is.not(password, lost.password);
  const device = await connectDevice({ ...rest, password });
  await device.next("ack");
  await device.leave();
  assert.is((await enrol(mine, "twice")).status, 409);
  const other = await fleet.enrolmentToken(1);
  assert.is((await enrol(other, "twice")).status, 409);
  const basic = `Basic ${Buffer.from(`twice:${password}`).toString("base64")}`;
  assert.is((await enrol(other, "twice", basic)).status, 201);
});

test("a request that does not fit is told why, without a stack; bodies are bounded", async () => {
  for (const [method, path, body, status] of [
    ["POST", "/v1/tokens", { uses: 0 }, 400],
    ["POST", "/v1/tokens", { unknown: 1 }, 400],
    ["POST", "/v1/enroll", {}, 400],
    ["GET", "/v1/devices/UPPER", undefined, 404],
    ["GET", "/v1/events?after=x", undefined, 400],
    ["GET", "/v1/nothing", undefined, 404],
    ["POST", "/v1/tokens", { note: "x".repeat(2 * 1024 * 1024) }, 400],
  ] as const) {
    const answer = await fleet.raw(method, path, body);
    assert.is(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    const { error } = answer.body as { error: { code: string; message: string } };
    assert.match(error.code, /^LV_/);
    assert.not(/\n\s+at |node_modules/.test(error.message));
  }
});

interface Read {
  readonly items: { id?: string; kind: string; data: { device: string; data: { seq?: number } } }[];
  stop(): void;
}

function readStream(query: string, lastId?: string): Promise<Read> {
  return new Promise((resolve, reject) => {
    const items: Read["items"] = [];
    const headers = { authorization: `Bearer ${fleet.token}`, ...(lastId === undefined ? {} : { "last-event-id": lastId }) };
    const call = request(`${fleet.endpoints.api}/v1/stream?${query}`, { headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(text.slice(0, end))?.[1];
          const [id, kind, data] = [field("id"), field("event"), field("data")];
          if (kind !== undefined && data !== undefined) items.push({ ...(id === undefined ? {} : { id }), kind, data: JSON.parse(data) });
          text = text.slice(end + 2);
        }
      });
      response.on("error", () => undefined);
      resolve({ items, stop: () => call.destroy() });
    });
    call.on("error", reject);
    call.end();
  });
}

test("the stream takes up where its reader was: nothing is missing, nothing comes twice", async (t) => {
  const device = await connectDevice(await fleet.enroll("streamed"));
  t.cleanup(() => device.leave());
  const first = await readStream("device=streamed&kind=event");
  let seq = 0;
  const send = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) await device.events(event(++seq));
  };
  await send(5);
  await eventually(() => (first.items.length >= 3 ? true : undefined), "three events");
  first.stop();
  const heard = first.items.slice(0, 3);
  await send(5);
  const sending = send(20);
  const second = await readStream("device=streamed&kind=event", heard.at(-1)?.id);
  t.cleanup(() => second.stop());
  await sending;
  await eventually(() => (second.items.length >= 27 ? true : undefined), "the rest");
  assert.equal(
    [...heard, ...second.items].map(({ data }) => data.data.seq),
    Array.from({ length: 30 }, (_, n) => n + 1),
  );
});

test("the stream brings what was asked for only, and ends with the controller", async (t) => {
  const device = await connectDevice(await fleet.enroll("filtered"));
  t.cleanup(() => device.end());
  const all = await readStream("device=filtered");
  const status = await readStream("device=filtered&kind=status");
  const oom = await readStream("device=filtered&kind=event&type=app.oom");
  t.cleanup(() => [all, status, oom].map((each) => each.stop()));
  await device.events(event(1), event(2, "app.oom", { app: "web" }));
  await device.reported(1, 0);
  await device.leave();
  await eventually(() => (status.items.length === 1 ? true : undefined), "the goodbye");
  await eventually(() => (all.items.length >= 4 ? true : undefined), "everything");
  assert.equal(all.items.map(({ kind }) => kind).sort(), ["event", "event", "reported", "status"]);
  assert.equal(
    oom.items.map(({ data }) => data.data.seq),
    [2],
  );
  assert.is(await fleet.stop(), 0);
  await fleet.start();
});

test("OpenAPI describes every path", async () => {
  const { paths } = (await fleet.raw("GET", "/openapi.json", undefined, { token: "" })).body as { paths: Record<string, object> };
  for (const path of [
    "/v1/devices",
    "/v1/devices/{id}/desired",
    "/v1/stream",
    "/v1/enroll",
    "/v1/images/{digest}",
    "/v1/tokens",
    "/healthz",
    "/metrics",
  ])
    assert.ok(path in paths, `${path} is not in ${Object.keys(paths).join(" ")}`);
});

test("an id never looks like a flag of a command line", async () => {
  for (let n = 0; n < 20; n++) {
    const { id } = await fleet.api<{ id: string }>("POST", "/v1/tokens", {});
    assert.match(id, /^[0-9A-Za-z]+$/);
    await fleet.api("DELETE", `/v1/tokens/${id}`);
  }
});

test("an image for another architecture is refused at once, and the desired state stays", async () => {
  await fleet.enroll("small", "arm64");
  const { bytes } = lvFile({ name: "web:latest", architecture: "amd64" });
  const pushed = await fleet.raw("PUT", "/v1/images", undefined, {
    stream: (async function* () {
      yield bytes;
    })(),
    headers: { "content-type": "application/vnd.lightv.image.v1" },
  });
  const { name, digest, size } = pushed.body as { name: string; digest: string; size: number };
  const apps = [{ name: "web", image: { name, digest, size } }];
  for (const refused of [
    await fleet.raw("PUT", "/v1/devices/small/apps/web", { image: "web" }),
    await fleet.raw("PUT", "/v1/devices/small/desired", { apps }),
  ]) {
    assert.is(refused.status, 422);
    assert.match(JSON.stringify(refused.body), /LV_IMAGE_PLATFORM.*web:latest is for amd64, and small is arm64.*for arm64/);
  }
  assert.is((await fleet.api<{ revision: number }>("GET", "/v1/devices/small/desired")).revision, 0);
});
