/** Bills of materials: what is in them, that they are valid, and that the same package gives the same bytes. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import type { Metafile } from "esbuild";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { packagePaths } from "../../../cross-build/package/ingredients.ts";
import { billOfMaterials, type Ingredients } from "../../../cross-build/package/sbom.ts";

const test = suite("cross-build/sbom");
const path = "node_modules/x";
const what: Ingredients = {
  name: "lightv",
  version: "1.2.3",
  architecture: "arm64",
  commit: "0123456789abcdef",
  epoch: 1_700_000_000,
  npm: [
    { name: "z", version: "1.0.0", license: "(MIT OR Apache-2.0)", integrity: `sha512-${"AAAA".repeat(21)}AAA=`, path },
    { name: "@a/b", version: "2.0.0", license: "SEE LICENSE IN FILE", integrity: `sha512-${"AAAA".repeat(21)}AAA=`, path },
    { name: "z", version: "1.0.0", license: "(MIT OR Apache-2.0)", integrity: `sha512-${"AAAA".repeat(21)}AAA=`, path: `${path}/${path}` },
  ],
  debian: [{ name: "libsodium", package: "libsodium-dev", version: "1.0.18-1+deb12u1", license: "ISC" }],
  node: { version: "26.10.0", sha256: "0".repeat(64) },
};
interface Bill {
  metadata: { timestamp: string; component: { properties: unknown[] } };
  components: { purl: string }[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}
const bill = JSON.parse(billOfMaterials(what)) as Bill;

test("it is valid CycloneDX 1.6", () => {
  const schemas = join(dirname(createRequire(import.meta.url).resolve("@cyclonedx/cyclonedx-library/package.json")), "res", "schema");
  const read = (name: string): object => JSON.parse(readFileSync(join(schemas, `${name}.SNAPSHOT.schema.json`), "utf8")) as object;
  const ajv = new Ajv({ strict: false, validateFormats: false });
  // The snapshots refer to each other by the names of their files.
  for (const name of ["spdx", "jsf-0.82", "cryptography-defs"])
    ajv.addSchema({ ...read(name), $id: `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json` });
  const valid = ajv.validate(read("bom-1.6"), bill);
  assert.ok(valid, ajv.errorsText());
});

test("it names every part once, sorted, and all as ours to answer for", () => {
  const purls = bill.components.map(({ purl }) => purl);
  assert.equal(purls, [
    "pkg:deb/debian/libsodium-dev@1.0.18-1%2Bdeb12u1?distro=bookworm",
    "pkg:generic/node@26.10.0",
    "pkg:npm/%40a/b@2.0.0",
    "pkg:npm/z@1.0.0",
  ]);
  assert.equal([...(bill.dependencies.find(({ ref }) => ref === "pkg:generic/lightv@1.2.3")?.dependsOn ?? [])].sort(), [...purls].sort());
});

test("its time is the commit's, and its bytes are always the same", () => {
  assert.is(bill.metadata.timestamp, "2023-11-14T22:13:20.000Z");
  assert.equal(bill.metadata.component.properties, [
    { name: "lightv:architecture", value: "arm64" },
    { name: "lightv:commit", value: "0123456789abcdef" },
  ]);
  assert.is(billOfMaterials({ ...what, npm: [...what.npm].reverse() }), billOfMaterials(what));
});

test("a package counts when a byte of it reached an output, by the innermost folder that it came from", () => {
  const input = (bytesInOutput: number) => ({ bytesInOutput });
  const inputs = {
    "agent/main.ts": input(9),
    "node_modules/a/index.js": input(1),
    "node_modules/a/more.js": input(1),
    "node_modules/unused/index.js": input(0),
    "node_modules/a/node_modules/@s/b/x.js": input(1),
  };
  const metafile = { inputs: {}, outputs: { "x.mjs": { inputs } } } as unknown as Metafile;
  assert.equal(packagePaths(metafile), ["node_modules/a", "node_modules/a/node_modules/@s/b"]);
});
