import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { isLoopback, readConfig } from "#fleet/config/config.ts";
import { KEYS } from "#fleet/config/keys.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/config");
const shipped = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "../../../../configs/fleet/lightv-fleet.conf"), "utf8");

test("the shipped file is right as it is, and names every key once with a comment before it", () => {
  readConfig(shipped, "lightv-fleet.conf");
  const keys = [...shipped.matchAll(/^#([a-z][a-z0-9.-]*) = /gm)].map((match) => match[1]);
  assert.equal(keys.sort(), Object.keys(KEYS).sort());
});

test("the shipped file's values are of the right kind", () => {
  const all = shipped.replaceAll(/^#([a-z][a-z0-9.-]*) = /gm, "$1 = ").replace("insecure = no", "insecure = yes");
  readConfig(all, "lightv-fleet.conf");
});

test("wrong lines are named with their number", () => {
  for (const [text, pattern] of [
    ["\n\nno-such-key = 1", /f.conf:3.*no-such-key/],
    ["api.listen = 8088", /f.conf:1.*8088/],
    ["api.listen 127.0.0.1:1", /f.conf:1/],
    ["log-level = loud", /f.conf:1.*loud/],
    ["insecure = no\ninsecure = no", /f.conf:2.*insecure/],
    ["data-dir = relative", /f.conf:1.*relative/],
    ["mqtt.url = ftp://x", /f.conf:1.*ftp/],
  ] as const)
    assert.throws(() => readConfig(text, "f.conf"), pattern, text);
});

test("flags go over the file, and are named when wrong", () => {
  assert.is(readConfig("api.listen = 127.0.0.1:1", "f", ["api.listen=127.0.0.1:2"]).api.listen.port, 2);
  assert.throws(() => readConfig("", "f", ["nothing"]), /--set nothing/);
  assert.throws(() => readConfig("", "f", ["api.listen=x"]), /--set api.listen/);
});

test("nothing is open to the network without TLS unless that is said", () => {
  for (const open of ["api.listen = 0.0.0.0:1", "mqtt.listen = 192.0.2.1:1", "mqtt.ws-listen = [::]:1", "api.listen = example.com:1"]) {
    assert.throws(() => readConfig(open, "f"), /without TLS/, open);
    readConfig(`${open}\ninsecure = yes`, "f");
  }
  readConfig("api.listen = 0.0.0.0:1\napi.tls-cert = /c\napi.tls-key = /k", "f");
  assert.throws(() => readConfig("mqtt.tls-listen = 0.0.0.0:1", "f"), /need mqtt.tls-cert/);
  assert.throws(() => readConfig("api.tls-cert = /c", "f"), /go together/);
  assert.throws(() => readConfig("mqtt.url = mqtt://broker:1883\nmqtt.public-url = mqtts://b:1", "f"), /without TLS/);
  assert.throws(() => readConfig("mqtt.url = mqtts://broker:8883", "f"), /needs mqtt.public-url/);
});

test("loopback is this machine and nothing that looks like it", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "localhost"]) assert.ok(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "127.example.com", "localhost.example.com", "1127.0.0.1"]) assert.not(isLoopback(host), host);
});
