/** Archives, merged into a tree as the layers of an image are, with and without their end mark: no name in the tree leads out of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addTar } from "#agent/image/sources/layer.ts";
import { Spool } from "#agent/image/spool.ts";
import { Tree } from "#agent/image/tree.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { type FuzzTarget, must, pieces } from "../lib/target.ts";

const directory = mkdtempSync(join(tmpdir(), "lightv-fuzz-tar-"));
process.once("exit", () => rmSync(directory, { recursive: true, force: true }));

async function run(bytes: Buffer): Promise<void> {
  const needEnd = bytes.length % 2 === 0;
  const spool = new Spool(join(directory, "spool"));
  const tree = new Tree();
  try {
    for (let layer = 0; layer < 2; layer++)
      await addTar(tree, pieces(bytes), { spool, warn: () => undefined, whiteouts: layer === 1, needEnd });
    checkNames(tree.root);
  } catch (error) {
    if (!isLightvError(error, "LV_USAGE")) throw error;
  } finally {
    await spool.close();
  }
}

function checkNames(node: Tree["root"]): void {
  for (const [name, { node: child }] of node.children) {
    must(name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0"), `a name ${JSON.stringify(name)}`);
    if (child.kind === "directory") checkNames(child);
  }
}

export const target: FuzzTarget = {
  run,
  words: [
    "ustar\x0000",
    "../",
    "/",
    ".wh.",
    ".wh..wh..opq",
    "30 mtime=1.5\n",
    "19 GNU.sparse.major=1\n",
    "20 SCHILY.xattr.a=b\n",
    "././@LongLink",
  ],
  covers: ["/agent/image/"],
  maxBytes: 65_536,
};
