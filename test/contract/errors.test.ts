/** docs/errors.md and agent/wire/codes.ts say the same, both ways. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { CODES, type Code } from "#agent/wire/codes.ts";
import { statusOf } from "#fleet/api/errors.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("contract/errors");
const document = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "../../docs/errors.md"), "utf8");
const rows = [...document.matchAll(/^\| `(LV_\w+)` \| (\S+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(
  ([, code = "", http = "", meaning = "", todo = ""]) => ({
    code,
    http,
    meaning,
    todo,
  }),
);

test("every code has one row, in the same order, with the same meaning", () => {
  assert.equal(
    rows.map(({ code, meaning }) => [code, meaning]),
    Object.entries(CODES),
  );
});

test("every row says what to do", () => {
  for (const { code, todo } of rows) assert.ok(todo.length > 20, code);
});

test("the HTTP status is the one that the API gives", () => {
  for (const { code, http } of rows) {
    const status = statusOf(code as Code);
    // A dash: the API never gives it of itself; if it did, it would be an error of the server.
    assert.is(http === "–" ? 500 : Number(http), status, code);
  }
});
