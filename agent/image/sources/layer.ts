/** Merges a tar archive into a tree: as the only layer (import), or as one of many with whiteouts (OCI image-spec, layer.md). */
import { basename, dirname } from "node:path/posix";
import { LightvError } from "#agent/lib/errors.ts";
import type { Spool } from "../spool.ts";
import { readTar, type TarEntry } from "../tar/read.ts";
import { type Attributes, type Content, directory, type Node, shown, type Tree } from "../tree.ts";
import { isKept } from "../xattrs.ts";
import type { SourceOptions } from "./options.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

export interface LayerOptions extends SourceOptions {
  readonly spool: Spool;
  /** Names that begin with `.wh.` take files of earlier layers away. */
  readonly whiteouts: boolean;
  readonly needEnd: boolean;
  /** The archive itself when it is a plain file: contents are read from it later, not copied now. */
  readonly direct?: string;
}

/** Throws LV_USAGE for what is no sound archive. */
export async function addTar(tree: Tree, source: AsyncIterable<Uint8Array>, options: LayerOptions): Promise<void> {
  tree.beginLayer();
  for await (const entry of readTar(source, options.needEnd)) {
    options.signal?.throwIfAborted();
    if (options.whiteouts && basename(entry.name).startsWith(WHITEOUT)) takeAway(tree, entry);
    else await addEntry(tree, entry, options);
  }
}

function takeAway(tree: Tree, { name }: TarEntry): void {
  const last = basename(name);
  if (last === OPAQUE) tree.opaque(dirname(name));
  // Others that begin with `.wh..wh.` are AUFS's own bookkeeping.
  else if (!last.startsWith(".wh..wh.")) tree.whiteout(`${dirname(name)}/${last.slice(WHITEOUT.length)}`);
}

async function addEntry(tree: Tree, entry: TarEntry, options: LayerOptions): Promise<void> {
  if (entry.type === "1") {
    tree.link(entry.name, entry.linkName);
    return;
  }
  const node = await nodeOf(entry, options);
  if (node !== undefined) tree.put(entry.name, node);
}

async function nodeOf(entry: TarEntry, options: LayerOptions): Promise<Node | undefined> {
  const attributes = attributesOf(entry, options);
  switch (entry.type) {
    case "0":
      return { ...attributes, kind: "file", content: await contentOf(entry, options) };
    case "2":
      return { ...attributes, mode: 0o777, kind: "symlink", target: entry.linkName };
    case "3":
    case "4":
      return { ...attributes, kind: entry.type === "3" ? "char" : "block", ...deviceOf(entry) };
    case "5":
      return directory(attributes);
    case "6":
      return { ...attributes, kind: "fifo" };
    default:
      options.warn(`${shown(entry.name)} is an entry of the unknown type ${JSON.stringify(entry.type)}: left out`);
      return undefined;
  }
}

function attributesOf({ name, mode, uid, gid, mtime, mtimeNs, xattrs }: TarEntry, options: SourceOptions): Attributes {
  const kept = new Map([...xattrs].filter(([key]) => isKept(key)));
  for (const key of xattrs.keys())
    if (!kept.has(key) && !key.startsWith("security.")) options.warn(`${shown(name)}: the extended attribute ${key} is left out`);
  return { mode, uid, gid, mtime, mtimeNs, xattrs: kept };
}

/** 12 and 20 bits are what Linux has. */
function deviceOf({ name, major, minor }: TarEntry): { major: number; minor: number } {
  if (major < 0 || major > 0xfff || minor < 0 || minor > 0xf_ffff)
    throw new LightvError("LV_USAGE", `entry ${shown(name)} of the archive is the device ${major}:${minor}, which Linux can't have`, {
      hint: "make the archive again without it",
    });
  return { major, minor };
}

async function contentOf(entry: TarEntry, { spool, direct }: LayerOptions): Promise<Content> {
  if (entry.sparse !== undefined) return spool.addSparse(entry.data(), entry.sparse.size, entry.sparse.pieces);
  if (direct !== undefined) return { path: direct, offset: entry.dataPosition, length: entry.size };
  return spool.add(entry.data());
}
