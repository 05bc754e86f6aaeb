/** Signatures of self-updates: what is signed, by which key, and that nothing else passes for it. */
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { keyId, readSigningKey, signedText, signPayload } from "../../../cross-build/package/payload.ts";

const test = suite("cross-build/payload");
const digest = `sha256:${"a".repeat(64)}`;

test("the text names the digest, the version and the architecture", () => {
  assert.is(signedText(digest, "1.2.3", "arm64"), `lightv-agent-update 1\n${digest}\n1.2.3\narm64\n`);
});

test("a signature is right for its text alone", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const made = signPayload(privateKey, digest, "1.2.3", "arm64");
  const passes = (version: string, architecture: string): boolean =>
    verify(null, Buffer.from(signedText(digest, version, architecture)), publicKey, Buffer.from(made.signature, "base64"));
  assert.ok(passes("1.2.3", "arm64"));
  assert.not(passes("1.2.4", "arm64"));
  assert.not(passes("1.2.3", "amd64"));
});

test("a key's id is of its raw 32 bytes, whichever half of the pair is at hand", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const expected = createHash("sha256").update(raw).digest("hex").slice(0, 16);
  assert.is(keyId(privateKey), expected);
  assert.is(keyId(createPublicKey(privateKey)), expected);
});

test("only an ed25519 key signs", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "lightv-key-"));
  t.cleanup(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "key.pem");
  writeFileSync(file, generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "pem", type: "pkcs8" }));
  assert.throws(() => readSigningKey(file), /of type ec: make one with "openssl genpkey -algorithm ed25519"/);
});
