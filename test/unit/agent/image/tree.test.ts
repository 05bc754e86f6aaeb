/** Layers merged into one tree: whiteouts, links as parents, tricks with paths. */
import * as assert from "uvu/assert";
import { type DirectoryNode, directory, type Node, PLAIN, sortedChildren, Tree } from "#agent/image/tree.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/image/tree");
const file = (length = 0): Node => ({ ...PLAIN, kind: "file", content: { path: "/dev/null", offset: 0, length } });
const link = (target: string): Node => ({ ...PLAIN, kind: "symlink", target });

function paths(tree: Tree): string[] {
  const found: string[] = [];
  const visit = (node: DirectoryNode, path: string): void => {
    for (const [name, child] of sortedChildren(node)) {
      found.push(`${path}/${name}`);
      if (child.kind === "directory") visit(child, `${path}/${name}`);
    }
  };
  visit(tree.root, "");
  return found;
}

test("paths stay inside whatever they say", () => {
  const tree = new Tree();
  for (const path of ["../../etc/a", "/etc/b", "./etc//c", "x/../../etc/d"]) tree.put(path, file());
  assert.equal(paths(tree), ["/etc", "/etc/a", "/etc/b", "/etc/c", "/etc/d"]);
});

test("links as parents are followed inside the image, absolute and climbing ones too", () => {
  const tree = new Tree();
  tree.put("real", directory(PLAIN));
  tree.put("abs", link("/real"));
  tree.put("a/b/climb", link("../../../../../real"));
  tree.put("abs/one", file());
  tree.put("a/b/climb/two", file());
  assert.equal(paths(tree), ["/a", "/a/b", "/a/b/climb", "/abs", "/real", "/real/one", "/real/two"]);
  tree.put("circle", link("circle"));
  assert.throws(
    () => tree.put("circle/x", file()),
    (error: unknown) => isLightvError(error, "LV_USAGE"),
  );
});

test("a whiteout takes away what is of earlier layers, in whichever order the layer has it", () => {
  for (const first of ["whiteout", "file"]) {
    const tree = new Tree();
    tree.put("d/old", file());
    tree.put("keep", file());
    tree.beginLayer();
    if (first === "whiteout") tree.whiteout("d");
    tree.put("d/new", file());
    if (first === "file") tree.whiteout("d");
    tree.whiteout("not there");
    assert.equal(paths(tree), ["/d", "/d/new", "/keep"]);
  }
});

test("an opaque directory hides what is below it, and keeps what its layer puts there", () => {
  const tree = new Tree();
  tree.put("d/sub/old", file());
  tree.put("d/old", file());
  tree.beginLayer();
  tree.put("d/sub/new", file());
  tree.opaque("d");
  assert.equal(paths(tree), ["/d", "/d/sub", "/d/sub/new"]);
});

test("a later file replaces a directory and the other way round; a directory over one keeps its children", () => {
  const tree = new Tree();
  tree.put("a/x", file());
  tree.put("b", file());
  tree.beginLayer();
  tree.put("a", directory({ ...PLAIN, mode: 0o700 }));
  tree.put("b", directory(PLAIN));
  assert.equal(paths(tree), ["/a", "/a/x", "/b"]);
  assert.is(tree.get("a")?.mode, 0o700);
  tree.put("a", file());
  assert.equal(paths(tree), ["/a", "/b"]);
});

test("hard links reach over layers and share their node", () => {
  const tree = new Tree();
  tree.put("a", file(5));
  tree.beginLayer();
  tree.link("b", "/a");
  tree.whiteout("a");
  assert.equal(paths(tree), ["/b"]);
  assert.is((tree.get("b") as { content: { length: number } }).content.length, 5);
  for (const target of ["missing", "/"])
    assert.throws(
      () => tree.link("c", target),
      (error: unknown) => isLightvError(error, "LV_USAGE"),
    );
});

test("names and targets that Linux can't have are refused", () => {
  const tree = new Tree();
  for (const work of [
    () => tree.put("n".repeat(256), file()),
    () => tree.put(`${"n".repeat(256)}/x`, file()),
    () => tree.put("zero\0", file()),
    () => tree.put("link", link("")),
    () => tree.put("link", link("t".repeat(4096))),
    () => tree.put("d/".repeat(1100), directory(PLAIN)),
  ])
    assert.throws(work, (error: unknown) => isLightvError(error, "LV_USAGE"));
});
