/** `lightv fleet keygen` and `sign-agent`: who may give devices a new agent. Needs no controller. */
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { open, readFile, rm, writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { keyId, signAgent } from "#agent/lib/agent-signature.ts";
import { errnoOf, LightvError, messageOf } from "#agent/lib/errors.ts";

export function agentKeyVerbs(fleet: Command): void {
  fleet
    .command("keygen <file>")
    .description("Make a key pair for signing agents: FILE (keep it secret) and FILE.pub.pem (for devices' update-keys-dir)")
    .action(async (file: string) => {
      const { id, open } = await makeKeyPair(file);
      console.log(`key ${id}: ${file} (secret), ${open} (for devices)`);
    });

  fleet
    .command("sign-agent <file>")
    .description("Sign the payload of an agent, a .lv file")
    .requiredOption("--key <file>", "the private key, as PEM")
    .option("--agent-version <version>", "the version in it (default: the tag of its name)")
    .option("-o, --output <file>", "default: FILE.sig")
    .action(async (file: string, options: { key: string; agentVersion?: string; output?: string }) => {
      const key = createPrivateKey(await read(options.key));
      const image = await describe(file);
      const version = options.agentVersion ?? image.name.slice(image.name.lastIndexOf(":") + 1);
      if (!/^[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}$/.test(version))
        throw new LightvError("LV_USAGE", `"${version}" is not a version`, { hint: "give it with --agent-version" });
      const signature = signAgent({ digest: image.digest, version, architecture: image.architecture }, key);
      const output = options.output ?? `${file}.sig`;
      await writeFile(output, `${JSON.stringify(signature)}\n`);
      console.log(`${output}: version ${version} for ${image.architecture}, ${image.digest}, key ${signature.key}`);
    });
}

/** Both files, or neither: half a pair would be in the way of the next try. Gives the key's id and the public part's path. */
export async function makeKeyPair(file: string): Promise<{ id: string; open: string }> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const open = `${file.replace(/\.pem$/, "")}.pub.pem`;
  await writeNew(file, privateKey.export({ type: "pkcs8", format: "pem" }), 0o600);
  try {
    await writeNew(open, publicKey.export({ type: "spki", format: "pem" }), 0o644);
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
  return { id: keyId(publicKey), open };
}

/** All of it is checked: a signature is for what is there. */
async function describe(path: string): Promise<{ digest: string; name: string; architecture: string }> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw new LightvError("LV_NOT_FOUND", `cannot read ${path}: ${messageOf(error)}`);
  });
  try {
    // Loaded here: no other verb needs it.
    const { checkImage } = await import("#fleet/registry/check.ts");
    return await checkImage(file);
  } finally {
    await file.close();
  }
}

async function read(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    throw new LightvError("LV_USAGE", `cannot read ${path}: ${messageOf(error)}`, { hint: "`lightv fleet keygen` makes a key" });
  });
}

async function writeNew(path: string, content: string | Buffer, mode: number): Promise<void> {
  try {
    await writeFile(path, content, { flag: "wx", mode });
  } catch (error) {
    if (errnoOf(error) === "EEXIST") throw new LightvError("LV_CONFLICT", `${path} exists already`, { hint: "choose another name" });
    // "wx" has made it, or nobody has: what is there is half of ours.
    await rm(path, { force: true }).catch(() => undefined);
    throw new LightvError("LV_USAGE", `can't write ${path}: ${messageOf(error)}`, {
      hint: "nothing was made; choose another place",
      cause: error,
    });
  }
}
