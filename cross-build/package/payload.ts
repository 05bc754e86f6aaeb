/**
 * What an agent fetches to update itself: a `.lv` image whose root is a prefix tree, without Node when the device has that one
 * already. A signature of it lies beside it (agent/lib/agent-signature.ts).
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createdAt } from "#agent/image/created.ts";
import { addInput } from "#agent/image/sources/input.ts";
import { Spool } from "#agent/image/spool.ts";
import { Tree } from "#agent/image/tree.ts";
import { temporaryBeside, writeImageFile } from "#agent/image/writer.ts";
import type { SignatureFile } from "#agent/lib/agent-signature.ts";

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

/** Reads a PEM file. Throws when it is not an Ed25519 private key. */
export function readSigningKey(file: string): KeyObject {
  const key = createPrivateKey(readFileSync(file));
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new Error(`${file} holds a key of type ${key.asymmetricKeyType}: make one with "openssl genpkey -algorithm ed25519"`);
}

export function writeSignature(payload: string, signature: SignatureFile): void {
  writeFileSync(`${payload}.sig`, `${JSON.stringify(signature)}\n`);
}
