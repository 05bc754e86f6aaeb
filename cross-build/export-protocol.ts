/**
 * Writes configs/protocol/<channel>.schema.json from agent/wire, for readers in other languages: `node cross-build/export-protocol.ts`.
 * test/contract/schemas.test.ts fails while they differ.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TSchema } from "typebox";
import { SCHEMAS } from "#agent/wire/messages.ts";
import { EnrollRequest, EnrollResponse } from "#agent/wire/protocol/enroll.ts";
import { PROTOCOL_VERSION } from "#agent/wire/topics.ts";

const directory = join(dirname(dirname(fileURLToPath(import.meta.url))), "configs", "protocol");

/** File name -> content. */
export function exportProtocol(): Record<string, string> {
  const all: Record<string, TSchema> = { ...SCHEMAS, "enroll-request": EnrollRequest, "enroll-response": EnrollResponse };
  return Object.fromEntries(
    Object.entries(all).map(([name, schema]) => {
      const head = {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        $id: `urn:lightv:protocol:${PROTOCOL_VERSION}:${name}`,
        title: name,
      };
      return [`${name}.schema.json`, `${JSON.stringify({ ...head, ...schema }, undefined, 2)}\n`];
    }),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(exportProtocol())) writeFileSync(join(directory, name), text);
}
