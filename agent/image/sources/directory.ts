/** A directory of the host as a tree. Owners, modes, times and hard links are kept; other file systems mounted below are not entered. */
import type { BigIntStats, Dirent } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { PATH_DEPTH_MAX } from "../paths.ts";
import { type Attributes, directory, type Node, shown, type Tree } from "../tree.ts";
import { readXattrs, type Xattrs } from "./host-xattrs.ts";
import type { SourceOptions } from "./options.ts";

const NONE: ReadonlyMap<string, Buffer> = new Map();

/** Reads everything but the files' content, which is read when the image is written. Throws LV_NOT_FOUND, LV_USAGE. */
export async function addDirectory(tree: Tree, path: string, options: SourceOptions): Promise<void> {
  const stats = await lstat(`${path}/.`, { bigint: true }).catch((error: unknown) => {
    throw new LightvError("LV_NOT_FOUND", `can't read the directory ${path}: ${messageOf(error)}`, {
      hint: "name a directory or a tar file",
    });
  });
  const scan = new Scan(tree, stats.dev, await readXattrs(path, options.signal), options);
  tree.put("/", directory(scan.attributes(stats, ".")));
  await scan.enter(Buffer.from(path), "", 0);
}

class Scan {
  readonly #tree: Tree;
  readonly #device: bigint;
  readonly #xattrs: Xattrs;
  readonly #options: SourceOptions;
  /** Of files with several links: where the first was put. */
  readonly #linked = new Map<string, string>();

  constructor(tree: Tree, device: bigint, xattrs: Xattrs, options: SourceOptions) {
    this.#tree = tree;
    this.#device = device;
    this.#xattrs = xattrs;
    this.#options = options;
  }

  attributes(stats: BigIntStats, path: string): Attributes {
    // Floor, not truncation: nanoseconds count upwards also before 1970.
    const mtimeNs = Number(((stats.mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
    const mtime = Number((stats.mtimeNs - BigInt(mtimeNs)) / 1_000_000_000n);
    const xattrs = this.#xattrs.get(path) ?? NONE;
    return { mode: Number(stats.mode & 0o7777n), uid: Number(stats.uid), gid: Number(stats.gid), mtime, mtimeNs, xattrs };
  }

  /** `host` as bytes, because a name need not be UTF-8; `inside` one character a byte. */
  async enter(host: Buffer, inside: string, depth: number): Promise<void> {
    this.#options.signal?.throwIfAborted();
    if (depth > PATH_DEPTH_MAX)
      throw new LightvError("LV_USAGE", `${host}: deeper than ${PATH_DEPTH_MAX} directories`, { hint: "import a tree that is less deep" });
    const entries = (await readdir(host, { withFileTypes: true, encoding: "buffer" })) as Dirent<Buffer>[];
    entries.sort((a, b) => Buffer.compare(a.name, b.name));
    for (const entry of entries) {
      const path = Buffer.concat([host, Buffer.from("/"), entry.name]);
      const name = inside === "" ? entry.name.toString("latin1") : `${inside}/${entry.name.toString("latin1")}`;
      await this.#add(path, name, depth);
    }
  }

  async #add(host: Buffer, inside: string, depth: number): Promise<void> {
    const stats = await lstat(host, { bigint: true });
    const key = `${stats.dev}:${stats.ino}`;
    const first = this.#linked.get(key);
    if (first !== undefined) {
      this.#tree.link(inside, first);
      return;
    }
    const node = await this.#node(host, inside, stats);
    if (node === undefined) return;
    this.#tree.put(inside, node);
    if (!stats.isDirectory() && stats.nlink > 1n) this.#linked.set(key, inside);
    if (stats.isDirectory() && stats.dev === this.#device) await this.enter(host, inside, depth + 1);
  }

  async #node(host: Buffer, inside: string, stats: BigIntStats): Promise<Node | undefined> {
    const attributes = this.attributes(stats, inside);
    if (stats.isDirectory()) return directory(attributes);
    if (stats.isFile()) return { ...attributes, kind: "file", content: { path: host, offset: 0, length: Number(stats.size) } };
    if (stats.isSymbolicLink()) return { ...attributes, kind: "symlink", target: (await readlink(host, "buffer")).toString("latin1") };
    if (stats.isFIFO()) return { ...attributes, kind: "fifo" };
    if (stats.isSocket()) {
      this.#options.warn(`${shown(inside)} is a socket, which has no meaning without the process that made it: left out`);
      return undefined;
    }
    return { ...attributes, kind: stats.isBlockDevice() ? "block" : "char", ...decodeDevice(stats.rdev) };
  }
}

/** glibc's gnu_dev_major and gnu_dev_minor. */
function decodeDevice(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)),
  };
}
