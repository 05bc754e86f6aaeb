/** The bytes of an EROFS file system, in order, from its superblock (byte 1,024) on. Bounded memory: one inode, directory or buffer at a time. */
import { open } from "node:fs/promises";
import { LightvError } from "#agent/lib/errors.ts";
import { crc32cRaw } from "../crc32c.ts";
import type { Content, Tree } from "../tree.ts";
import { type Dirent, encodeBlocks } from "./dirents.ts";
import {
  BLOCK,
  encodeDevice,
  FEATURES,
  FILE_TYPE,
  FORMAT,
  INODE_BYTES,
  roundUp,
  SUPER_BYTES,
  SUPER_MAGIC,
  SUPER_OFFSET,
} from "./format.ts";
import { type Layout, layOutTree, nidOf, type Placed, type PlacedDirectory } from "./layout.ts";
import { xattrCount } from "./xattrs.ts";

const READ_BYTES = 1024 * 1024;

export interface Erofs {
  /** Of the whole section, from byte 0 of the file on. */
  readonly size: number;
  bytes(): AsyncGenerator<Buffer>;
}

/** Plans a tree; nothing is read before `bytes()` is. The tree must not change afterwards. */
export function erofsOf(tree: Tree): Erofs {
  const layout = layOutTree(tree);
  return { size: layout.blocks * BLOCK, bytes: () => erofsBytes(layout) };
}

async function* erofsBytes(layout: Layout): AsyncGenerator<Buffer> {
  yield* withChecksum(metadata(layout));
  for (const target of layout.targets) {
    const block = Buffer.alloc(BLOCK);
    block.write(target, "latin1");
    yield block;
  }
  const reader = new ContentReader();
  try {
    for (const { node, size, path } of layout.files) yield* reader.read(node.content, path, roundUp(size, BLOCK));
  } finally {
    await reader.close();
  }
}

/** Inodes are gathered to whole blocks; the first is the superblock's, and is 1,024 bytes short. */
function* metadata(layout: Layout): Generator<Buffer> {
  let block = Buffer.alloc(BLOCK);
  let start = 0;
  superblock(layout).copy(block, SUPER_OFFSET);
  for (const placed of layout.inodes) {
    let bytes = encodeInode(placed);
    for (let at = placed.at; bytes.length > 0; ) {
      if (at >= start + BLOCK) {
        yield start === 0 ? block.subarray(SUPER_OFFSET) : block;
        start += BLOCK;
        block = Buffer.alloc(BLOCK);
        continue;
      }
      const taken = bytes.copy(block, at - start);
      bytes = bytes.subarray(taken);
      at += taken;
    }
  }
  yield start === 0 ? block.subarray(SUPER_OFFSET) : block;
  for (const directory of layout.directories) yield encodeBlocks(direntsOf(directory, layout), directory.counts);
}

/** The checksum is of the first block from the superblock on, begun with all ones and not inverted (erofs_superblock_csum_verify). */
function* withChecksum(blocks: Generator<Buffer>): Generator<Buffer> {
  let first = true;
  for (const block of blocks) {
    if (first) block.writeUInt32LE(crc32cRaw(block), 4);
    first = false;
    yield block;
  }
}

function superblock(layout: Layout): Buffer {
  const bytes = Buffer.alloc(SUPER_BYTES);
  bytes.writeUInt32LE(SUPER_MAGIC, 0);
  bytes.writeUInt32LE(FEATURES, 8);
  bytes.writeUInt8(Math.log2(BLOCK), 12);
  bytes.writeUInt16LE(layout.rootNid, 14);
  bytes.writeBigUInt64LE(BigInt(layout.inodes.length), 16);
  bytes.writeUInt32LE(layout.blocks, 36);
  return bytes;
}

function encodeInode({ node, ino, links, size, block, xattrs }: Placed): Buffer {
  const bytes = Buffer.alloc(INODE_BYTES + xattrs.length);
  const isDevice = node.kind === "char" || node.kind === "block";
  // Extended (64 bytes), data layout 0: plain.
  bytes.writeUInt16LE(1, 0);
  bytes.writeUInt16LE(xattrCount(xattrs), 2);
  bytes.writeUInt16LE(FORMAT[node.kind] | (node.mode & 0o7777), 4);
  bytes.writeBigUInt64LE(BigInt(size), 8);
  bytes.writeUInt32LE(isDevice ? encodeDevice(node.major, node.minor) : block, 16);
  bytes.writeUInt32LE(ino, 20);
  bytes.writeUInt32LE(node.uid, 24);
  bytes.writeUInt32LE(node.gid, 28);
  bytes.writeBigInt64LE(BigInt(node.mtime), 32);
  bytes.writeUInt32LE(node.mtimeNs, 40);
  bytes.writeUInt32LE(links, 44);
  xattrs.copy(bytes, INODE_BYTES);
  return bytes;
}

function direntsOf(directory: PlacedDirectory, layout: Layout): Dirent[] {
  return directory.names.map((name) => {
    if (name === "." || name === "..") return { name, nid: nidOf(name === "." ? directory : directory.parent), type: FILE_TYPE.directory };
    const node = directory.node.children.get(name)?.node;
    const placed = node === undefined ? undefined : layout.byNode.get(node);
    if (placed === undefined) throw new LightvError("LV_INTERNAL", `${directory.path}: the tree changed while it was written`);
    return { name, nid: nidOf(placed), type: FILE_TYPE[placed.node.kind] };
  });
}

/** Reads contents one after the other; those of one spool file keep it open. */
class ContentReader {
  #path: string | Buffer = "";
  #file: Awaited<ReturnType<typeof open>> | undefined;

  async *read(content: Content, path: string, padded: number): AsyncGenerator<Buffer> {
    if (content.length === 0) return;
    const file = await this.#open(content.path);
    for (let done = 0; done < padded; ) {
      const wanted = Math.min(READ_BYTES, content.length - done);
      const buffer = Buffer.alloc(Math.min(READ_BYTES, padded - done));
      for (let filled = 0; filled < wanted; ) {
        const { bytesRead } = await file.read(buffer, filled, wanted - filled, content.offset + done + filled);
        if (bytesRead === 0) throw shrunk(path);
        filled += bytesRead;
      }
      done += buffer.length;
      yield buffer;
    }
  }

  async #open(path: string | Buffer): Promise<Awaited<ReturnType<typeof open>>> {
    if (this.#file !== undefined && this.#path === path) return this.#file;
    await this.close();
    this.#file = await open(path, "r");
    this.#path = path;
    return this.#file;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

function shrunk(path: string): LightvError {
  return new LightvError("LV_USAGE", `${path} became shorter while it was read`, { hint: "import it again when nothing writes to it" });
}
