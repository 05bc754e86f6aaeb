/** Signatures of agent payloads (docs/update.md): Ed25519 over what is installed and where. Shared by device, fleet command and packaging. */
import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { LightvError } from "./errors.ts";

/** What a signature binds together: these bytes, under this version, for this architecture. */
export interface SignedAgent {
  /** Of the payload image: sha256:<64 hex>. */
  readonly digest: string;
  readonly version: string;
  /** GOARCH name. */
  readonly architecture: string;
}

/** The content of a .sig file. */
export interface SignatureFile extends SignedAgent {
  /** Base64. */
  readonly signature: string;
  /** See keyId. */
  readonly key: string;
}

/** SPKI of Ed25519 (RFC 8410) is this many bytes of algorithm before the 32 bytes of the key. */
const SPKI_PREFIX_BYTES = 12;
const RAW_KEY_BYTES = 32;

export function signedText({ digest, version, architecture }: SignedAgent): string {
  return `lightv-agent-update 1\n${digest}\n${version}\n${architecture}\n`;
}

/** The first 16 hexadecimal digits of the SHA-256 of the raw public key. */
export function keyId(key: KeyObject): string {
  const spki = publicOf(key).export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki.subarray(SPKI_PREFIX_BYTES)).digest("hex").slice(0, 16);
}

/** Throws LV_USAGE for a key that is no private Ed25519 key. */
export function signAgent(agent: SignedAgent, key: KeyObject): SignatureFile {
  if (key.type !== "private" || key.asymmetricKeyType !== "ed25519")
    throw new LightvError("LV_USAGE", "the key is not a private Ed25519 key", {
      hint: "`lightv fleet keygen` makes one, or openssl genpkey -algorithm ed25519",
    });
  const { digest, version, architecture } = agent;
  const signature = sign(null, Buffer.from(signedText(agent)), key).toString("base64");
  return { digest, version, architecture, signature, key: keyId(key) };
}

/** Whether this public key's owner signed it. Never throws: what is no signature is a wrong one. */
export function verifyAgent(agent: SignedAgent, signature: string, key: KeyObject): boolean {
  try {
    return verify(null, Buffer.from(signedText(agent)), key, Buffer.from(signature, "base64"));
  } catch {
    return false;
  }
}

/** Throws LV_USAGE with what is wrong; `name` is for the error. */
export function parseSignatureFile(text: string, name: string): SignatureFile {
  const fail = (why: string): LightvError =>
    new LightvError("LV_USAGE", `${name} is not a signature of an agent: ${why}`, { hint: "`lightv fleet sign-agent` writes one" });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail("it is not JSON");
  }
  if (typeof value !== "object" || value === null) throw fail("it is not an object");
  const fields = value as Record<string, unknown>;
  const [digest, version, architecture, signature, key] = ["digest", "version", "architecture", "signature", "key"].map((name) => {
    const field = fields[name];
    if (typeof field !== "string") throw fail(`${name} is missing`);
    return field;
  }) as [string, string, string, string, string];
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw fail("its digest is none");
  if (!/^[A-Za-z0-9+/]{86}==$/.test(signature)) throw fail("its signature is not of Ed25519");
  return { digest, version, architecture, signature, key };
}

function publicOf(key: KeyObject): KeyObject {
  const open = key.type === "private" ? createPublicKey(key) : key;
  const bytes = open.asymmetricKeyType === "ed25519" ? open.export({ type: "spki", format: "der" }).length : 0;
  if (bytes === SPKI_PREFIX_BYTES + RAW_KEY_BYTES) return open;
  throw new LightvError("LV_USAGE", "the key is not an Ed25519 key", { hint: "openssl genpkey -algorithm ed25519" });
}
