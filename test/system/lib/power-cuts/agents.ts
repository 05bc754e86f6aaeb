/** Other versions of the agent for a device: payloads made from the package's own tree, signed with a key that the device trusts. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type SignatureFile, signAgent } from "#agent/lib/agent-signature.ts";
import { agentPayload } from "#test/lib/agent-tree.ts";
import type { Fleet } from "#test/lib/fleet.ts";
import type { Platform } from "../recipe.ts";
import { hashTree, type TreeHashes } from "./slots.ts";

export interface Agent {
  readonly version: string;
  readonly digest: string;
  readonly signature: SignatureFile;
}

export class Agents {
  readonly #directory: string;
  readonly #platform: Platform;
  /** bin/ and lib/lightv of the package. */
  readonly #prefix: string;
  readonly #key: KeyObject;
  /** For the device's update-keys-dir: PEM. */
  readonly publicKey: string;
  /** Of the installed package: its version, and the commit it was made from. */
  readonly base: string;
  readonly commit: string;
  /** What each payload's tree consists of, by digest. */
  readonly trees = new Map<string, TreeHashes>();
  #made = 0;

  private constructor(directory: string, platform: Platform, prefix: string, base: string, commit: string) {
    this.#directory = directory;
    this.#platform = platform;
    this.#prefix = prefix;
    this.base = base;
    this.commit = commit;
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    this.#key = privateKey;
    this.publicKey = publicKey.export({ type: "spki", format: "pem" }).toString();
  }

  /** `prefix`: the package's unpacked /usr; payloads are made in `directory`. */
  static async open(directory: string, platform: Platform, prefix: string): Promise<Agents> {
    const release = JSON.parse(await readFile(join(prefix, "lib/lightv/release.json"), "utf8")) as { version: string; commit: string };
    return new Agents(directory, platform, prefix, release.version, release.commit);
  }

  /** The next version, pushed to the controller. Without Node, as payloads are. */
  async push(fleet: Fleet): Promise<Agent> {
    const version = `${this.base}-cut.${++this.#made}`;
    const tree = join(this.#directory, `agent-${version}`);
    const file = `${tree}.lv`;
    await mkdir(join(tree, "lib"), { recursive: true });
    for (const name of ["lightv", "lightvd"]) await cp(join(this.#prefix, "bin", name), join(tree, "bin", name));
    const node = join(this.#prefix, "lib/lightv/node");
    await cp(join(this.#prefix, "lib/lightv"), join(tree, "lib/lightv"), { recursive: true, filter: (from) => from !== node });
    // Wherever the bundler has put it: an agent that says another version than its payload's is refused.
    const library = join(tree, "lib/lightv");
    for (const name of await readdir(library, { recursive: true }))
      if (/\.(mjs|json)$/.test(name)) await this.#rename(join(library, name), version);
    await agentPayload(file, tree, version, this.#platform);
    const { digest } = await fleet.push(file);
    this.trees.set(digest, await hashTree(tree));
    await rm(tree, { recursive: true });
    await rm(file);
    return { version, digest, signature: signAgent({ digest, version, architecture: this.#platform }, this.#key) };
  }

  async #rename(file: string, version: string): Promise<void> {
    await writeFile(file, (await readFile(file, "utf8")).replaceAll(`"${this.base}"`, `"${version}"`));
  }
}
