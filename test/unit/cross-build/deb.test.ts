/** The pure parts of Debian packages: control fields, sizes, changelog, sources of a foreign architecture. */
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { conffiles, fill, installedKib } from "../../../cross-build/package/deb.ts";
import { debianChangelog } from "../../../cross-build/package/documents.ts";
import { checkIntegrity } from "../../../cross-build/package/node.ts";
import { sourcesList } from "../../../cross-build/package/sysroot.ts";

const test = suite("cross-build/deb");

test("a template's names are all filled, or it is refused", () => {
  assert.is(fill("V: @VERSION@, again @VERSION@; a@b", { VERSION: "1" }), "V: 1, again 1; a@b");
  assert.throws(() => fill("@WHAT@", {}), /@WHAT@/);
});

test("what lies in /etc is the administrator's", () => {
  assert.is(conffiles(["etc/lightv/a.conf", "usr/etc/b", "etc/c"]), "/etc/lightv/a.conf\n/etc/c\n");
});

test("sizes are counted as Debian does: each file rounded up, 1 KiB for anything else", () => {
  assert.is(installedKib([0, 1, 1024, 1025]), 1 + 1 + 1 + 2);
});

test("the changelog's newest section becomes the entry, in Debian's form", () => {
  const text = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- One.\n- Two.\n\n## [0.1.0]\n\n- Old.\n";
  assert.is(
    debianChangelog(text, "lightv", "1.0", 0),
    "lightv (1.0) stable; urgency=medium\n\n  * One.\n  * Two.\n\n -- LightV maintainers <maintainers@lightv.invalid>  Thu, 01 Jan 1970 00:00:00 +0000\n",
  );
});

test("the sources of another architecture are the machine's own, with their keys", () => {
  const targets = ["http://one/debian/ bookworm main /usr/share/keyrings/a.gpg", "http://two/ bookworm-updates main $(SIGNED_BY)"];
  assert.is(
    sourcesList(targets, "arm64"),
    "deb [arch=arm64 signed-by=/usr/share/keyrings/a.gpg] http://one/debian/ bookworm main\ndeb [arch=arm64] http://two/ bookworm-updates main\n",
  );
});

test("a file with another digest than the kept one is refused", () => {
  const empty = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
  checkIntegrity("nothing", new Uint8Array(), empty);
  assert.throws(() => checkIntegrity("a", Buffer.from("a"), empty), /^a has the integrity .* it is not used$/);
});
