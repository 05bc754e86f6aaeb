/** Key pairs for signing agents: both halves, or nothing that would be in the way of the next try. */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { makeKeyPair } from "#fleet/cli/agent-keys.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("fleet/cli/agent-keys");

function home(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lightv-keys-"));
  t.cleanup(() => rmSync(directory, { recursive: true }));
  return directory;
}

async function failure(made: Promise<unknown>): Promise<string> {
  return made.then(
    () => "made",
    (error: { code: string }) => error.code,
  );
}

test("a pair: the secret for its owner alone, the public part for devices", async (t) => {
  const file = join(home(t), "release.key");
  const { open } = await makeKeyPair(file);
  assert.is(open, `${file}.pub.pem`);
  assert.is(statSync(file).mode & 0o777, 0o600);
  const derived = createPublicKey(createPrivateKey(readFileSync(file))).export({ type: "spki", format: "pem" });
  assert.is(readFileSync(open, "utf8"), derived);
});

test("when the public part can't be written no secret is left behind, and what was there stays", async (t) => {
  const file = join(home(t), "release.key");
  writeFileSync(`${file}.pub.pem`, "an older one");
  assert.is(await failure(makeKeyPair(file)), "LV_CONFLICT");
  assert.not(existsSync(file));
  assert.is(readFileSync(`${file}.pub.pem`, "utf8"), "an older one");
  rmSync(`${file}.pub.pem`);
  await makeKeyPair(file);
  // And a secret that is there is never touched.
  const secret = readFileSync(file, "utf8");
  assert.is(await failure(makeKeyPair(file)), "LV_CONFLICT");
  assert.is(readFileSync(file, "utf8"), secret);
});

test("a place that can't be written to is said, and nothing is made", async (t) => {
  assert.is(await failure(makeKeyPair(join(home(t), "nowhere", "release.key"))), "LV_USAGE");
});
