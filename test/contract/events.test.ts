/** The events that the agent's source sends and those that docs/protocol.md lists are the same, both ways. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";

const test = suite("contract/events");
const top = join(dirname(fileURLToPath(import.meta.url)), "../..");
/** What stands for `${state.health}` in a type: agent/supervisor/health.ts tells nothing else. */
const HEALTH = ["healthy", "unhealthy"];

function sent(): string[] {
  const agent = join(top, "agent");
  const types = new Set<string>();
  for (const entry of readdirSync(agent, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".ts") || entry.parentPath.includes("wire")) continue;
    const text = readFileSync(join(entry.parentPath, entry.name), "utf8");
    for (const [, type = ""] of text.matchAll(/\btype: ["`]((?:agent|app|device|events|image|message)\.[^"`]+)["`]/g))
      for (const word of type.includes("${") ? HEALTH : [""]) types.add(type.replace(/\$\{[^}]*\}/, word));
  }
  return [...types].sort();
}

function documented(): string[] {
  const text = readFileSync(join(top, "docs", "protocol.md"), "utf8");
  const section = text.slice(text.indexOf("\n## Events"), text.indexOf("\n## Commands"));
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  return rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, type = ""]) => type)).sort();
}

test("every event that the agent sends is in docs/protocol.md, and none is there that it does not send", () => {
  const types = sent();
  assert.ok(types.length >= 14, `only ${types.length} types were found in the source: has the way to write them changed?`);
  assert.equal(documented(), types);
});
