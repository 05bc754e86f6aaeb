/**
 * The file tree of an image under construction. Layers are merged into it as a container engine would unpack them, but nothing touches
 * the host: links are followed inside the tree only. Names and targets are strings of one character a byte ("latin1"), because
 * a Linux name is any bytes.
 */
import { LightvError } from "#agent/lib/errors.ts";
import { NAME_MAX, PATH_DEPTH_MAX, splitPath, TARGET_MAX } from "./paths.ts";

/** Where a file's bytes lie: in a spool file or in a file of the input. */
export interface Content {
  readonly path: string | Buffer;
  readonly offset: number;
  readonly length: number;
}

export interface Attributes {
  /** Permission bits, with set-id and sticky: 12 bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Whole seconds since 1970, may be negative. */
  mtime: number;
  mtimeNs: number;
  /** Full name ("security.capability") to value. */
  xattrs: ReadonlyMap<string, Buffer>;
}

export type DirectoryNode = Attributes & { readonly kind: "directory"; readonly children: Map<string, Child> };
export type FileNode = Attributes & { readonly kind: "file"; readonly content: Content };
export type LinkNode = Attributes & { readonly kind: "symlink"; readonly target: string };
export type DeviceNode = Attributes & { readonly kind: "char" | "block"; readonly major: number; readonly minor: number };
export type FifoNode = Attributes & { readonly kind: "fifo" };
export type Node = DirectoryNode | FileNode | LinkNode | DeviceNode | FifoNode;

interface Child {
  node: Node;
  /** Which layer put it here: a whiteout takes away only what is of an earlier one. */
  layer: number;
}

/** As many links as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

export const PLAIN: Attributes = { mode: 0o755, uid: 0, gid: 0, mtime: 0, mtimeNs: 0, xattrs: new Map() };

export function directory(attributes: Attributes): DirectoryNode {
  return { ...attributes, kind: "directory", children: new Map() };
}

export class Tree {
  readonly root: DirectoryNode = directory(PLAIN);
  #layer = 0;

  /** What is put from now on belongs to a layer above all that is there. */
  beginLayer(): void {
    this.#layer++;
  }

  /** Puts an entry, replacing what is there; a directory over a directory takes its attributes only. Missing parents are made. */
  put(path: string, node: Node): void {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined) {
      if (node.kind === "directory") assign(this.root, node);
      return;
    }
    if (node.kind === "symlink" && (node.target === "" || node.target.length > TARGET_MAX))
      throw bad(path, `a symbolic link with a target of ${node.target.length} bytes`);
    const parent = this.#walk(parts, path, true);
    if (parent === undefined) throw bad(path, "one of its parents can't be made");
    const old = parent.children.get(name);
    if (old?.node.kind === "directory" && node.kind === "directory") {
      assign(old.node, node);
      old.layer = this.#layer;
    } else {
      parent.children.set(checkName(name, path), { node, layer: this.#layer });
    }
  }

  /** A hard link; a last component that is a symbolic link is linked itself, as link(2) does. */
  link(path: string, target: string): void {
    const node = this.get(target);
    if (node === undefined) throw bad(path, `it is a hard link to ${shown(target)}, which is not there`);
    if (node.kind === "directory") throw bad(path, `it is a hard link to ${shown(target)}, a directory`);
    this.put(path, node);
  }

  /** The node of a path, its parents' links followed, not its own. */
  get(path: string): Node | undefined {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined) return this.root;
    return this.#walk(parts, path, false)?.children.get(name)?.node;
  }

  /** Takes away what earlier layers put at a path (a whiteout). */
  whiteout(path: string): void {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined) throw bad(path, "a whiteout of the root");
    const parent = this.#walk(parts, path, false);
    const child = parent?.children.get(name);
    if (parent !== undefined && child !== undefined && !this.#keep(child)) parent.children.delete(name);
  }

  /** Takes away what earlier layers put into a directory (an opaque whiteout). */
  opaque(path: string): void {
    const found = this.#walk(splitPath(path), path, false);
    if (found !== undefined) this.#empty(found);
  }

  #empty(from: DirectoryNode): void {
    for (const [name, child] of from.children) if (!this.#keep(child)) from.children.delete(name);
  }

  /** Whether something of this layer is in it; what is of earlier ones has gone then. */
  #keep(child: Child): boolean {
    if (child.node.kind !== "directory") return child.layer === this.#layer;
    this.#empty(child.node);
    return child.layer === this.#layer || child.node.children.size > 0;
  }

  /** Resolves directories inside the tree: `..` stops at the root, absolute links start there. Undefined when one is missing. */
  #walk(parts: readonly string[], path: string, make: boolean): DirectoryNode | undefined {
    const todo = [...parts].reverse();
    const stack = [this.root];
    let links = 0;
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === "..") {
        if (stack.length > 1) stack.pop();
        continue;
      }
      const here = stack.at(-1) ?? this.root;
      let next = here.children.get(name)?.node;
      if (next?.kind === "symlink") {
        if (++links > MAX_LINKS) throw bad(path, "its parents are links that lead in a circle");
        if (next.target.startsWith("/")) stack.length = 1;
        todo.push(...next.target.split("/").filter(meaningful).reverse());
        continue;
      }
      if (next?.kind !== "directory") {
        if (!make) return undefined;
        next = directory(PLAIN);
        here.children.set(checkName(name, path), { node: next, layer: this.#layer });
      }
      if (stack.length > PATH_DEPTH_MAX) throw bad(path, `it lies deeper than ${PATH_DEPTH_MAX} directories`);
      stack.push(next);
    }
    return stack.at(-1);
  }
}

/** Children in the order of their bytes: one order everywhere, so that one tree gives one image. */
export function sortedChildren(node: DirectoryNode): [string, Node][] {
  return [...node.children].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, child]) => [name, child.node]);
}

function assign(node: DirectoryNode, { mode, uid, gid, mtime, mtimeNs, xattrs }: Attributes): void {
  Object.assign(node, { mode, uid, gid, mtime, mtimeNs, xattrs });
}

function meaningful(part: string): boolean {
  return part !== "" && part !== ".";
}

function checkName(name: string, path: string): string {
  if (name.length > NAME_MAX) throw bad(path, `a name of ${name.length} bytes; Linux allows ${NAME_MAX}`);
  if (name.includes("\0")) throw bad(path, "a name with a zero byte");
  return name;
}

/** For people: bytes as UTF-8 where they are, shortened. */
export function shown(path: string): string {
  const text = JSON.stringify(Buffer.from(path, "latin1").toString("utf8"));
  return text.length > 200 ? `${text.slice(0, 200)}…"` : text;
}

function bad(path: string, why: string): LightvError {
  return new LightvError("LV_USAGE", `entry ${shown(path)} of the input: ${why}`, { hint: "build the input again without it" });
}
