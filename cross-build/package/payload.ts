/**
 * What an agent fetches to update itself: a `.lv` image whose root is a prefix tree, without Node when the device has that one
 * already. A signature of it lies beside it, over the text of signedText().
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createdAt } from "#agent/image/created.ts";
import { addInput } from "#agent/image/sources/input.ts";
import { Spool } from "#agent/image/spool.ts";
import { Tree } from "#agent/image/tree.ts";
import { temporaryBeside, writeImageFile } from "#agent/image/writer.ts";

export interface PayloadOptions {
  /** A tar archive of the tree. */
  readonly tar: string;
  readonly output: string;
  readonly version: string;
  readonly architecture: string;
  readonly epoch: number;
}

/** Writes the image; gives its digest, `sha256:<hex>`. */
export async function writePayload({ tar, output, version, architecture, epoch }: PayloadOptions): Promise<string> {
  const spool = new Spool(`${output}.spool`);
  const warnings: string[] = [];
  try {
    const tree = new Tree();
    await addInput(tree, tar, { spool, stdin: noInput(), warn: (text) => warnings.push(text) });
    if (warnings.length > 0) throw new Error(`the update payload would not be whole: ${warnings.join("; ")}`);
    const description = { name: `lightv-agent:${version}`, architecture, created: createdAt(epoch), config: {} };
    const { digest } = await writeImageFile(temporaryBeside(output, String(process.pid)), () => output, tree, description);
    chmodSync(output, 0o644);
    return digest;
  } finally {
    await spool.close();
  }
}

async function* noInput(): AsyncGenerator<Uint8Array> {}

export interface Signature {
  readonly digest: string;
  readonly version: string;
  readonly architecture: string;
  /** Base64 of the ed25519 signature. */
  readonly signature: string;
  /** Which key made it, as keyId() has it. */
  readonly key: string;
}

/** What is signed. Nothing in it can hold a line break, so no two updates have the same text. */
export function signedText(digest: string, version: string, architecture: string): string {
  return `lightv-agent-update 1\n${digest}\n${version}\n${architecture}\n`;
}

/** Reads a PEM file. Throws when it is not an ed25519 private key. */
export function readSigningKey(file: string): KeyObject {
  const key = createPrivateKey(readFileSync(file));
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new Error(`${file} holds a key of type ${key.asymmetricKeyType}: make one with "openssl genpkey -algorithm ed25519"`);
}

/** The first 16 hexadecimal digits of the SHA-256 of the public key's raw 32 bytes. */
export function keyId(key: KeyObject): string {
  const { x = "" } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  return createHash("sha256").update(Buffer.from(x, "base64url")).digest("hex").slice(0, 16);
}

export function signPayload(key: KeyObject, digest: string, version: string, architecture: string): Signature {
  const signature = sign(null, Buffer.from(signedText(digest, version, architecture), "utf8"), key).toString("base64");
  return { digest, version, architecture, signature, key: keyId(key) };
}

export function writeSignature(payload: string, signature: Signature): void {
  writeFileSync(`${payload}.sig`, `${JSON.stringify(signature)}\n`);
}
