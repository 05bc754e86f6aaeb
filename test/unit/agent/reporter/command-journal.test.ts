import { DatabaseSync } from "node:sqlite";
import * as assert from "uvu/assert";
import { CommandJournal, JOURNAL_SCHEMA } from "#agent/reporter/command-journal.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/reporter/command-journal");

function journal(): CommandJournal {
  const database = new DatabaseSync(":memory:");
  database.exec(JOURNAL_SCHEMA);
  return new CommandJournal(database);
}

const result = (id: string) => ({ id, ok: true, at: "2026-01-01T00:00:00Z" });

test("a command is new once, then begun, then done with the same result", () => {
  const j = journal();
  assert.is(j.begin("a", "exec").state, "new");
  assert.is(j.begin("a", "exec").state, "begun");
  j.finish(result("a"));
  assert.equal(j.begin("a", "exec"), { state: "done", result: result("a") });
});

test("knows what was interrupted and what nobody has been told", () => {
  const j = journal();
  j.begin("a", "exec");
  j.begin("b", "restart");
  j.finish(result("b"));
  assert.equal(j.interrupted(), [{ id: "a", type: "exec" }]);
  assert.equal(j.undelivered(), [result("b")]);
  j.delivered("b");
  assert.equal(j.undelivered(), []);
});

test("keeps the last thousand, and what nobody has been told", () => {
  const j = journal();
  for (let n = 0; n < 1500; n++) {
    j.begin(`c${n}`, "exec");
    j.finish(result(`c${n}`));
    if (n > 0) j.delivered(`c${n}`);
  }
  assert.is(j.begin("c0", "exec").state, "done", "not delivered");
  assert.is(j.begin("c1499", "exec").state, "done");
  assert.is(j.begin("c1", "exec").state, "new");
});
