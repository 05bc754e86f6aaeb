/** Manual pages out of help texts and configuration files. */
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { SCHEMA } from "#agent/config/config.ts";
import { HELP } from "#agent/config/flags.ts";
import { suite } from "#test/lib/suite.ts";
import { confToRoff, helpToRoff, renderPage, roffText, verbsOf } from "../../../cross-build/package/roff.ts";

const test = suite("cross-build/roff");
const conf = readFileSync(new URL("../../../configs/agent/lightvd.conf", import.meta.url), "utf8");

test("text that roff would take for requests stays text", () => {
  assert.is(roffText(".so /etc/passwd"), "\\&.so /etc/passwd");
  assert.is(roffText("a\\b --c"), "a\\eb \\-\\-c");
});

test("the two columns of a help text become a list, with what is continued on the next line", () => {
  const help = "Usage: x [OPTIONS]\n\nDoes it.\n\nOptions:\n  -a, --all <x>  All of it\n                 and more\n      --long     Long\n";
  assert.equal(helpToRoff(help, ".SS"), [
    ".PP",
    ".B x [OPTIONS]",
    ".PP",
    "Does it.",
    ".SS Options",
    ".TP",
    ".B \\-a, \\-\\-all <x>",
    "All of it",
    "and more",
    ".TP",
    ".B \\-\\-long",
    "Long",
  ]);
});

test("every flag of the agent's help is in its page", () => {
  const page = helpToRoff(HELP, ".SH").join("\n");
  for (const [flag] of HELP.matchAll(/^ {2}--\S+/gm)) assert.ok(page.includes(roffText(flag.trim())), flag);
});

test("every key of the configuration is in its page, in the file's order", () => {
  const keys = confToRoff(conf).flatMap((line) => /^\.B (\S+) = /.exec(line)?.[1]?.replaceAll("\\-", "-") ?? []);
  assert.equal([...keys].sort(), Object.keys(SCHEMA).sort());
});

test("verbs are read from the overall help, without its options", () => {
  const help = "Usage: x\n\nEveryday verbs:\n  run    Run\n  ps     List\n\nGlobal options:\n  -h, --help   Show\n";
  assert.equal(verbsOf(help), ["run", "ps"]);
});

test("a page has what man and whatis need", () => {
  const page = renderPage({ name: "x", section: 8, summary: "do x", body: ["text"], version: "1", date: "2026-01-02", seeAlso: ["y(1)"] });
  assert.is(page, '.TH X 8 2026-01-02 "LightV 1" LightV\n.SH NAME\nx \\- do x\ntext\n.SH SEE ALSO\n.BR y (1)\n');
});
