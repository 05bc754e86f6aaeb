/** Which agent a device shall run, as the controller keeps, checks and tells it. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type SignatureFile, signAgent } from "#agent/lib/agent-signature.ts";
import type { Desired } from "#agent/wire/protocol/desired.ts";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { lvFile } from "#test/lib/lv-file.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/agent");
const directory = mkdtempSync(join(tmpdir(), "lightv-fleet-"));
const { privateKey } = generateKeyPairSync("ed25519");
const payload = lvFile({ name: "lightv-agent:2.0.0" });
const foreign = lvFile({ name: "lightv-agent:2.0.0-arm", architecture: "arm64" });
let fleet: Fleet;

const signed = (digest: string, architecture = "amd64"): SignatureFile => signAgent({ digest, version: "2.0.0", architecture }, privateKey);
const body = (signature: SignatureFile, more: object = {}) => ({ ...signature, image: signature.digest, ...more });

test.before(async () => {
  fleet = await startFleet(directory);
  await fleet.enroll("dev");
  for (const { bytes, digest } of [payload, foreign]) {
    const file = join(directory, `${digest.slice(7, 15)}.lv`);
    writeFileSync(file, bytes);
    await fleet.push(file);
  }
});
test.after(async () => {
  await fleet.stop();
  rmSync(directory, { recursive: true, force: true });
});

const put = (content: object): Promise<Desired> => fleet.api<Desired>("PUT", "/v1/devices/dev/agent", content);
const refused = async (content: object, path = "/v1/devices/dev/agent"): Promise<string> => {
  const answer = await fleet.raw("PUT", path, content);
  assert.ok(answer.status >= 400, JSON.stringify(answer.body));
  return (answer.body as { error: { code: string } }).error.code;
};

test("a version is part of the desired state, with the same revision; apps and it do not touch each other", async () => {
  const signature = signed(payload.digest);
  const desired = await put(body(signature));
  const { version, architecture, digest, key } = signature;
  const agent = { version, architecture, digest, key, signature: signature.signature, size: payload.bytes.length, attempt: 0 };
  assert.equal([desired.revision, desired.agent], [1, agent]);
  const app = { name: "web", image: { name: "x:1", digest: payload.digest, size: 1 } };
  const next = await fleet.api<Desired>("PUT", "/v1/devices/dev/desired", { apps: [app] });
  assert.equal([next.revision, next.agent, next.apps.length], [2, agent, 1]);
  assert.equal(await fleet.api("GET", "/v1/devices/dev/desired"), next);
  await fleet.api("DELETE", "/v1/devices/dev/apps/web");
  assert.equal((await fleet.api<{ desired: Desired }>("GET", "/v1/devices/dev")).desired.agent, agent);
  await fleet.restart();
  assert.equal((await fleet.api<Desired>("GET", "/v1/devices/dev/desired")).agent, agent);
});

test("a payload that a device shall run stays on the controller, until no version is wanted any more", async () => {
  await put(body(signed(payload.digest)));
  assert.is((await fleet.raw("DELETE", `/v1/images/${payload.digest}`)).status, 409);
  const { agent } = await fleet.api<Desired>("DELETE", "/v1/devices/dev/agent");
  assert.is(agent, undefined);
});

test("the attempt goes up when somebody asks for it, and only then", async () => {
  const first = await put(body(signed(payload.digest)));
  assert.is(first.agent?.attempt, 0);
  const retried = await put(body(signed(payload.digest), { retry: true }));
  assert.is(retried.agent?.attempt, retried.revision);
  assert.is((await put(body(signed(payload.digest)))).agent?.attempt, retried.agent?.attempt);
  const again = await put(body(signed(payload.digest), { retry: true }));
  assert.ok((again.agent?.attempt ?? 0) > (retried.agent?.attempt ?? 0));
});

test("what can't be right is refused before a device hears of it", async () => {
  const before = await fleet.api<Desired>("GET", "/v1/devices/dev/desired");
  const good = signed(payload.digest);
  assert.is(await refused(body(good), "/v1/devices/nobody/agent"), "LV_NOT_FOUND");
  assert.is(await refused(body(signed(`sha256:${"0".repeat(64)}`))), "LV_NOT_FOUND");
  assert.is(await refused(body(good, { image: "lightv-agent:9" })), "LV_NOT_FOUND");
  assert.is(await refused(body(signed(foreign.digest, "arm64"))), "LV_IMAGE_PLATFORM");
  assert.is(await refused(body(signed(foreign.digest, "amd64"))), "LV_IMAGE_PLATFORM");
  assert.is(await refused(body(good, { image: foreign.digest })), "LV_IMAGE_DIGEST");
  assert.is(await refused(body(good, { signature: "AAAA" })), "LV_USAGE");
  assert.is(await refused(body(good, { version: "../2" })), "LV_USAGE");
  const { key: _key, ...unsigned } = body(good);
  assert.is(await refused(unsigned), "LV_USAGE");
  assert.equal(await fleet.api("GET", "/v1/devices/dev/desired"), before);
});
