import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { type ConfigKey, resolveConfig, SCHEMA } from "#agent/config/config.ts";
import { parseFlags } from "#agent/config/flags.ts";
import { parseConf } from "#agent/lib/conf-file.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/config");

function refused(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    assert.instance(error, LightvError);
    return messageOf(error);
  }
  return assert.unreachable() as never;
}

test("a wrong key is refused with file, line and the keys that there are", () => {
  const text = refused(() => parseConf("# comment\n\nhartbeat = 5\n", "lightvd.conf", SCHEMA));
  assert.match(text, /^lightvd\.conf:3: no such key "hartbeat" .*heartbeat/);
});

test("a wrong value is refused with what is allowed", () => {
  assert.match(
    refused(() => parseConf("heartbeat = 0", "f", SCHEMA)),
    /f:1: "0" is not a value for "heartbeat" .*from 1 to 86400/,
  );
  assert.match(
    refused(() => parseConf("device = No", "f", SCHEMA)),
    /lower-case/,
  );
  assert.match(
    refused(() => parseConf("outbox-max = 8X", "f", SCHEMA)),
    /512K, 8M or 1G/,
  );
});

test("a key that is given twice, and a line that is no assignment, are refused", () => {
  assert.match(
    refused(() => parseConf("heartbeat = 5\nheartbeat = 6", "f", SCHEMA)),
    /f:2: .*line 1/,
  );
  assert.match(
    refused(() => parseConf("[agent]", "f", SCHEMA)),
    /f:1: .*not "key = value"/,
  );
  assert.match(
    refused(() => parseConf("__proto__ = 1", "f", SCHEMA)),
    /no such key/,
  );
});

test("defaults are what the shipped file shows, and it documents every key", () => {
  const shipped = readFileSync(new URL("../../../../configs/agent/lightvd.conf", import.meta.url), "utf8");
  parseConf(shipped, "lightvd.conf", SCHEMA);
  const shown = shipped.replaceAll(/^#(?=[a-z-]+ = )/gm, "");
  const all = new Set([...shown.matchAll(/^([a-z-]+) = /gm)].map((match) => match[1]));
  assert.equal([...all].sort(), Object.keys(SCHEMA).sort());
  const examples = new Set<string>([
    "controller-url",
    "enroll-token",
    "enroll-token-file",
    "device",
    "mqtt-url",
    "ca-file",
    "tls-pin",
  ] satisfies ConfigKey[]);
  const lines = shown.split("\n").filter((line) => !examples.has(line.split(" = ")[0] ?? ""));
  assert.equal(resolveConfig(parseConf(lines.join("\n"), "f", SCHEMA), "f"), resolveConfig({}, "f"));
});

test("flags are the file's keys, and wrong ones are named", () => {
  const flags = parseFlags(["--config", "/x", "--heartbeat=5", "--root", "/r"]);
  assert.equal(flags.values, { heartbeat: 5, root: "/r" });
  assert.is(flags.config, "/x");
  assert.match(
    refused(() => parseFlags(["--hartbeat", "5"])),
    /no such flag "--hartbeat"/,
  );
  assert.match(
    refused(() => parseFlags(["--root"])),
    /needs a value/,
  );
  assert.match(
    refused(() => parseFlags(["--root", "relative"])),
    /absolute path/,
  );
});
