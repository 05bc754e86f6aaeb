/** configs/protocol is what other languages read: it must say what agent/wire says. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { exportProtocol } from "../../cross-build/export-protocol.ts";

const test = suite("contract/schemas");
const directory = join(dirname(fileURLToPath(import.meta.url)), "../../configs/protocol");

test("the exported schemas are those of agent/wire (node cross-build/export-protocol.ts writes them)", () => {
  const exported = exportProtocol();
  const files = readdirSync(directory).filter((name) => name.endsWith(".schema.json"));
  assert.equal(files.sort(), Object.keys(exported).sort());
  for (const name of files)
    assert.equal(JSON.parse(readFileSync(join(directory, name), "utf8")), JSON.parse(exported[name] ?? ""), `${name} is out of date`);
});
