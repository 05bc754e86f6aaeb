/** Agents of other versions for tests: trees made from dist/, whole or broken on purpose, and payloads of them. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, cp, link, mkdir, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hostArchitecture } from "#agent/image/platform.ts";
import { DIST, run } from "./command.ts";

export interface TreeOptions {
  /** Lines of shell that come first in bin/lightvd when it is to serve, not when it is only asked for its version or configuration. */
  readonly atStart?: string;
  /** Lines of shell that come first in bin/lightvd, always. */
  readonly always?: string;
  /** Parts to leave out, from the tree's root. */
  readonly without?: readonly string[];
  /** What release.json says, when that is not the truth. */
  readonly release?: { readonly version?: string; readonly architecture?: string; readonly nodeSha256?: string };
  /** Leave Node out, as payloads do; an installed tree has it. */
  readonly withNode?: boolean;
  /** The tree that it is made from, instead of dist/, and what that is for. */
  readonly from?: { readonly tree: string; readonly architecture: string };
}

const nodeDigests = new Map<string, Promise<string>>();

function digestOfNode(tree: string): Promise<string> {
  const known = nodeDigests.get(tree) ?? digestOf(join(tree, "lib/lightv/node"));
  nodeDigests.set(tree, known);
  return known;
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** The version that dist/ was built as. */
export async function distVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(join(DIST, "../package.json"), "utf8")) as { version: string };
  return manifest.version;
}

/** A prefix tree whose agent says that it is `version`. */
export async function agentTree(tree: string, version: string, options: TreeOptions = {}): Promise<void> {
  const library = join(tree, "lib/lightv");
  const { from = { tree: DIST, architecture: hostArchitecture() } } = options;
  await mkdir(join(tree, "bin"), { recursive: true });
  await mkdir(library, { recursive: true });
  const own = await distVersion();
  for (const part of ["lightvd.mjs", "cli.mjs", "fleet-cli.mjs", "chunks"])
    await cp(join(from.tree, "lib/lightv", part), join(library, part), { recursive: true });
  const bundles = (await readdir(library, { recursive: true })).filter((name) => name.endsWith(".mjs"));
  for (const name of bundles) {
    const file = join(library, name);
    await writeFile(file, (await readFile(file, "utf8")).replaceAll(`"${own}"`, `"${version}"`));
  }
  await cp(join(from.tree, "bin/lightv"), join(tree, "bin/lightv"));
  await cp(join(from.tree, "lib/lightv/lightv.node"), join(library, "lightv.node"));
  if (options.withNode) await placeNode(join(library, "node"));
  await writeLauncher(tree, from.tree, options);
  const { release = {} } = options;
  const content = {
    version: release.version ?? version,
    architecture: release.architecture ?? from.architecture,
    node: { version: process.version, sha256: release.nodeSha256 ?? (await digestOfNode(from.tree)) },
    commit: "test",
  };
  await writeFile(join(library, "release.json"), JSON.stringify(content));
  for (const part of options.without ?? []) await rm(join(tree, part), { recursive: true, force: true });
}

async function placeNode(path: string): Promise<void> {
  const source = await realpath(join(DIST, "lib/lightv/node"));
  await link(source, path).catch(() => symlink(source, path));
}

async function writeLauncher(tree: string, from: string, { atStart, always }: TreeOptions): Promise<void> {
  const [first = "", ...rest] = (await readFile(join(from, "bin/lightvd"), "utf8")).split("\n");
  const serving = atStart === undefined ? [] : [`case "$*" in *--version*|*--check-config*) ;; *)`, atStart, ";; esac"];
  await writeFile(join(tree, "bin/lightvd"), [first, ...(always === undefined ? [] : [always]), ...serving, ...rest].join("\n"));
  await chmod(join(tree, "bin/lightvd"), 0o755);
}

/** The tree as an image at `path`, by the project's own importer. */
export async function agentPayload(path: string, tree: string, version: string, architecture = hostArchitecture()): Promise<void> {
  const args = ["import", "-q", "--platform", `linux/${architecture}`, "-o", path, tree, `lightv-agent:${version}`];
  const { code, stderr } = await run(join(DIST, "bin/lightv"), args);
  if (code !== 0) throw new Error(`lightv import of the payload: exit code ${code}\n${stderr}`);
}
