/**
 * Where everything of a tree lies: inodes from behind the superblock on, then directories, then links' targets, then files, each in
 * the order of the paths. All of it follows from the tree alone, before a byte is written.
 */
import { LightvError } from "#agent/lib/errors.ts";
import { type DirectoryNode, type FileNode, type LinkNode, type Node, sortedChildren, type Tree } from "../tree.ts";
import { planBlocks } from "./dirents.ts";
import { BLOCK, INODE_BYTES, roundUp, SLOT, SUPER_BYTES, SUPER_OFFSET } from "./format.ts";
import { encodeXattrs } from "./xattrs.ts";

export interface Placed {
  readonly node: Node;
  readonly path: string;
  /** Byte offset of the inode. */
  readonly at: number;
  readonly ino: number;
  readonly xattrs: Buffer;
  links: number;
  /** Of the data; 0 for devices and the like. */
  size: number;
  /** First block of the data. */
  block: number;
}

export interface PlacedDirectory extends Placed {
  readonly node: DirectoryNode;
  readonly parent: Placed;
  /** Sorted; with `.` and `..`. */
  readonly names: readonly string[];
  readonly counts: readonly number[];
}

export interface Layout {
  readonly inodes: readonly Placed[];
  readonly byNode: ReadonlyMap<Node, Placed>;
  readonly directories: readonly PlacedDirectory[];
  /** One a target: links with the same target share its block. */
  readonly targets: readonly string[];
  readonly files: readonly (Placed & { readonly node: FileNode })[];
  /** Of the whole file system, in blocks. */
  readonly blocks: number;
  readonly rootNid: number;
}

const MAX_BLOCKS = 0xffff_ffff;

export function nidOf(placed: Placed): number {
  return placed.at / SLOT;
}

export function layOutTree(tree: Tree): Layout {
  const placer = new Placer();
  const root = placer.place(tree.root, "/");
  placer.descend(tree.root, root, root, "");
  return placer.finish(nidOf(root));
}

class Placer {
  readonly inodes: Placed[] = [];
  readonly byNode = new Map<Node, Placed>();
  readonly directories: PlacedDirectory[] = [];
  #at = SUPER_OFFSET + SUPER_BYTES;

  place(node: Node, path: string): Placed {
    const xattrs = encodeXattrs(node.xattrs, path);
    // An inode's 64 bytes never cross a block, as mkfs.erofs keeps it; the attributes behind it may.
    const left = BLOCK - (this.#at % BLOCK);
    const at = left < INODE_BYTES ? this.#at + left : this.#at;
    const placed: Placed = { node, path, at, ino: this.inodes.length + 1, xattrs, links: 0, size: sizeOf(node), block: 0 };
    this.#at = roundUp(at + INODE_BYTES + xattrs.length, SLOT);
    this.inodes.push(placed);
    this.byNode.set(node, placed);
    return placed;
  }

  /** Children in order, each directory's before the next sibling. Depth is bounded by the tree. */
  descend(node: DirectoryNode, self: Placed, parent: Placed, path: string): void {
    const children = sortedChildren(node);
    const names = [".", "..", ...children.map(([name]) => name)].sort();
    const { counts, size } = planBlocks(names);
    self.size = size;
    self.links += 2;
    // Object.assign keeps the identity that `byNode` and `inodes` know.
    this.directories.push(Object.assign(self as Placed & { node: DirectoryNode }, { parent, names, counts }));
    for (const [name, child] of children) {
      const known = this.byNode.get(child);
      const placed = known ?? this.place(child, `${path}/${name}`);
      if (child.kind === "directory") {
        self.links++;
        this.descend(child, placed, self, `${path}/${name}`);
      } else {
        placed.links++;
      }
    }
  }

  finish(rootNid: number): Layout {
    let block = roundUp(this.#at, BLOCK) / BLOCK;
    for (const directory of this.directories) {
      directory.block = block;
      block += directory.counts.length;
    }
    const targets = new Map<string, number>();
    for (const link of this.inodes) {
      if (link.node.kind !== "symlink") continue;
      link.block = targets.get(link.node.target) ?? block++;
      targets.set(link.node.target, link.block);
    }
    const files = this.inodes.filter((placed): placed is Placed & { node: FileNode } => placed.node.kind === "file");
    for (const file of files) {
      file.block = file.size === 0 ? 0 : block;
      block += Math.ceil(file.size / BLOCK);
    }
    if (block > MAX_BLOCKS)
      throw new LightvError("LV_USAGE", "the input has more than 16 TiB, more than a file system of an image can hold", {
        hint: "split it, or put the data into a volume",
      });
    return {
      inodes: this.inodes,
      byNode: this.byNode,
      directories: this.directories,
      targets: [...targets.keys()],
      files,
      blocks: block,
      rootNid,
    };
  }
}

function sizeOf(node: Node): number {
  if (node.kind === "file") return node.content.length;
  return node.kind === "symlink" ? (node as LinkNode).target.length : 0;
}
