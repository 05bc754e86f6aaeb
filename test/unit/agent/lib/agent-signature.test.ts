/** Signatures of agents: bound to what is installed, by a key whose id is its own. */
import { createHash, generateKeyPairSync } from "node:crypto";
import * as assert from "uvu/assert";
import { keyId, parseSignatureFile, signAgent, signedText, verifyAgent } from "#agent/lib/agent-signature.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/lib/agent-signature");
const AGENT = { digest: `sha256:${"ab".repeat(32)}`, version: "1.2.3", architecture: "arm64" };
const { privateKey, publicKey } = generateKeyPairSync("ed25519");

test("a signature holds for these bytes, this version and this architecture, and for nothing else", () => {
  const signed = signAgent(AGENT, privateKey);
  assert.ok(verifyAgent(AGENT, signed.signature, publicKey));
  for (const other of [
    { ...AGENT, digest: `sha256:${"cd".repeat(32)}` },
    { ...AGENT, version: "1.2.4" },
    { ...AGENT, architecture: "amd64" },
  ])
    assert.not(verifyAgent(other, signed.signature, publicKey));
  assert.not(verifyAgent(AGENT, signed.signature, generateKeyPairSync("ed25519").publicKey));
  for (const garbage of ["", "AAAA", "-", signed.signature.replace(/./, "!")]) assert.not(verifyAgent(AGENT, garbage, publicKey));
});

test("the signed text is what the documents say", () => {
  assert.is(signedText(AGENT), `lightv-agent-update 1\n${AGENT.digest}\n1.2.3\narm64\n`);
});

test("a key's id is of its raw 32 bytes, the same from either half", () => {
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  assert.is(raw.length, 32);
  assert.is(keyId(publicKey), createHash("sha256").update(raw).digest("hex").slice(0, 16));
  assert.is(keyId(privateKey), keyId(publicKey));
  assert.throws(() => keyId(generateKeyPairSync("x25519").publicKey), /not an Ed25519 key/);
  assert.throws(() => signAgent(AGENT, publicKey), /not a private Ed25519 key/);
});

test("a signature's file reads back; a broken one is refused with what is wrong", () => {
  const signed = signAgent(AGENT, privateKey);
  assert.equal(parseSignatureFile(JSON.stringify(signed), "x.sig"), signed);
  const refused: [string, RegExp][] = [
    ["", /not JSON/],
    ["[]", /digest is missing/],
    ["null", /not an object/],
    [JSON.stringify({ ...signed, signature: "AAAA" }), /not of Ed25519/],
    [JSON.stringify({ ...signed, digest: "sha256:1" }), /digest is none/],
    [JSON.stringify({ ...signed, key: undefined }), /key is missing/],
  ];
  for (const [text, why] of refused) assert.throws(() => parseSignatureFile(text, "x.sig"), why);
});
