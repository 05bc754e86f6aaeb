/** The image endpoint: uploads are whole or not there, downloads take ranges, and only who may gets them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { EnrollResponse } from "#agent/wire/protocol/enroll.ts";
import { type ApiAnswer, type Fleet, startFleet } from "#test/lib/fleet.ts";
import { lvFile } from "#test/lib/lv-file.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/images");
const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
const good = lvFile({ name: "web:latest" });
let fleet: Fleet;
let device: EnrollResponse;

test.before(async () => {
  fleet = await startFleet(directory, { extra: ["--set", "images.max-size=1"] });
  device = await fleet.enroll("dev");
});
test.after(async () => {
  await fleet.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function put(bytes: Uint8Array, query = ""): Promise<ApiAnswer> {
  return fleet.raw("PUT", `/v1/images${query}`, undefined, {
    stream: (async function* () {
      yield bytes;
    })(),
    headers: { "content-type": "application/vnd.lightv.image.v1", "content-length": String(bytes.length) },
  });
}

const get = (headers: Record<string, string> = {}, method = "GET"): Promise<ApiAnswer> =>
  fleet.raw(method, `/v1/images/${good.digest}`, undefined, { headers });
const code = (answer: ApiAnswer): string => (answer.body as { error: { code: string } }).error.code;
const stored = (): string[] => [...readdirSync(join(directory, "images")), ...readdirSync(join(directory, "partial"))];

test("a broken image is refused with the reason, and nothing of it stays", async () => {
  const flip = (at: number): Buffer => {
    const copy = Buffer.from(good.bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const { bytes } = good;
  for (const [what, broken] of [
    ["nothing", Buffer.alloc(0)],
    ["a text", Buffer.from("hello")],
    ["zeros", Buffer.alloc(8192)],
    ["cut in the header", bytes.subarray(0, 1000)],
    ["cut in the file system", bytes.subarray(0, 5000)],
    ["cut by one byte", bytes.subarray(0, -1)],
    ["too long", Buffer.concat([bytes, Buffer.alloc(4096)])],
    ["a bit of the magic", flip(3)],
    ["a bit of a section", flip(40)],
    ["a bit of the file system", flip(2000)],
    ["a bit of the last block", flip(good.erofsBytes - 1)],
    ["a bit of the digest of the chunk table", flip(bytes.indexOf("sha256:") + 20)],
    ["a bit of the chunk table", flip(good.tableAt + 20)],
    ["a bit behind the end", flip(bytes.length - 1)],
  ] as const) {
    const answer = await put(broken);
    assert.is(answer.status, 422, `${what}: ${JSON.stringify(answer.body)}`);
    assert.match(code(answer), /^LV_IMAGE_(BROKEN|DIGEST)$/, what);
  }
  assert.equal(stored(), []);
});

test("an image over the limit is refused, and nothing of it stays", async () => {
  const answer = await put(Buffer.alloc(2 * 1024 * 1024)).catch(() => undefined);
  // The controller may end the connection while we still send.
  if (answer !== undefined) assert.is(code(answer), "LV_USAGE");
  assert.equal(stored(), []);
});

test("a good image is there under its digest, twice as well as once, and under another name too", async () => {
  const answer = await put(good.bytes);
  assert.is(answer.status, 201, JSON.stringify(answer.body));
  assert.is((answer.body as { digest: string }).digest, good.digest);
  assert.is((await put(good.bytes, "?name=site")).status, 201);
  const { images } = await fleet.api<{ images: { digest: string; name: string; size: number }[] }>("GET", "/v1/images");
  assert.equal(
    images.map(({ digest, name, size }) => [digest, name, size]),
    [[good.digest, "site:latest", good.bytes.length]],
  );
});

test("the whole, its head, and not again for who has it", async () => {
  const whole = await get();
  assert.is(whole.status, 200);
  assert.ok(whole.bytes.equals(good.bytes));
  assert.is(whole.headers.etag, `"${good.digest}"`);
  assert.is(whole.headers["accept-ranges"], "bytes");
  const head = await get({}, "HEAD");
  assert.is(head.status, 200);
  assert.is(head.headers["content-length"], String(good.bytes.length));
  assert.is(head.bytes.length, 0);
  assert.is((await get({ "if-none-match": `"${good.digest}"` })).status, 304);
});

test("ranges: from the start, inside, to the end, the last so many, and beyond", async () => {
  const size = good.bytes.length;
  for (const [range, from, to] of [
    ["bytes=0-0", 0, 0],
    ["bytes=100-199", 100, 199],
    [`bytes=${size - 10}-`, size - 10, size - 1],
    ["bytes=-5", size - 5, size - 1],
    [`bytes=0-${size * 2}`, 0, size - 1],
  ] as const) {
    const answer = await get({ range });
    assert.is(answer.status, 206, range);
    assert.is(answer.headers["content-range"], `bytes ${from}-${to}/${size}`);
    assert.ok(answer.bytes.equals(good.bytes.subarray(from, to + 1)), range);
  }
  const beyond = await get({ range: `bytes=${size}-` });
  assert.is(beyond.status, 416);
  assert.is(beyond.headers["content-range"], `bytes */${size}`);
  assert.is((await get({ range: "bytes=0-9", "if-range": `"${good.digest}"` })).status, 206);
  assert.is((await get({ range: "bytes=0-9", "if-range": '"other"' })).status, 200);
  assert.is((await get({ range: "lines=0-9" })).status, 200);
});

test("a device fetches with its own credentials, and may do nothing else with them", async () => {
  const basic = (password: string): string => `Basic ${Buffer.from(`dev:${password}`).toString("base64")}`;
  const path = `/v1/images/${good.digest}`;
  assert.is((await fleet.raw("GET", path, undefined, { token: basic(device.password) })).status, 200);
  assert.is((await fleet.raw("GET", path, undefined, { token: basic("wrong") })).status, 401);
  assert.is((await fleet.raw("GET", path, undefined, { token: "" })).status, 401);
  for (const [method, other] of [
    ["GET", "/v1/images"],
    ["DELETE", path],
    ["GET", "/v1/devices"],
    ["GET", "/v1/stream"],
    ["POST", "/v1/tokens"],
    ["GET", "/metrics"],
  ] as const)
    assert.is((await fleet.raw(method, other, undefined, { token: basic(device.password) })).status, 401, `${method} ${other}`);
});

test("an image that a device shall run can't be deleted; another can", async () => {
  await fleet.api("PUT", "/v1/devices/dev/apps/web", { image: "site" });
  const used = await fleet.raw("DELETE", `/v1/images/${good.digest}`);
  assert.is(used.status, 409);
  await fleet.api("DELETE", "/v1/devices/dev/apps/web");
  assert.is((await fleet.raw("DELETE", `/v1/images/${good.digest}`)).status, 204);
  assert.equal(stored(), []);
  assert.is((await get()).status, 404);
  assert.is((await fleet.raw("PUT", "/v1/devices/dev/apps/web", { image: "site" })).status, 404);
});

test("an upload that was cut by kill -9 leaves nothing behind after the next start", async () => {
  writeFileSync(join(directory, "partial", "left-over"), "half");
  writeFileSync(join(directory, "images", `sha256-${"0".repeat(64)}.lv`), "never confirmed");
  await put(good.bytes);
  await fleet.restart();
  assert.equal(stored(), [`${good.digest.replace(":", "-")}.lv`]);
  assert.ok(readFileSync(join(directory, "images", stored()[0] ?? "")).equals(good.bytes));
});
