/** Self-updates are signed with keys of the right kind only; the signature itself: test/unit/agent/lib/agent-signature.test.ts. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { readSigningKey } from "../../../cross-build/package/payload.ts";

const test = suite("cross-build/payload");

test("only an ed25519 key signs", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "lightv-key-"));
  t.cleanup(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "key.pem");
  writeFileSync(file, generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "pem", type: "pkcs8" }));
  assert.throws(() => readSigningKey(file), /of type ec: make one with "openssl genpkey -algorithm ed25519"/);
});
