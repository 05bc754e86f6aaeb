/** Messages that every reader must take, and messages that it must refuse, each with its reason. Wire values are an ABI. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { encodeMessage, type Message, parseMessage, SCHEMAS } from "#agent/wire/messages.ts";
import { type Channel, MAX_PAYLOAD_BYTES } from "#agent/wire/topics.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("contract/golden");
const directory = join(dirname(fileURLToPath(import.meta.url)), "../../configs/protocol/golden");
const files = readdirSync(directory).map((name) => ({
  name,
  channel: (name.split(".")[0] ?? "") as Channel,
  invalid: name.includes(".invalid-"),
  text: readFileSync(join(directory, name), "utf8"),
}));

test("every channel has messages of both kinds", () => {
  for (const channel of Object.keys(SCHEMAS))
    for (const invalid of [false, true])
      assert.ok(
        files.some((file) => file.channel === channel && file.invalid === invalid),
        `no ${invalid ? "invalid" : "valid"} message of ${channel}`,
      );
});

for (const { name, channel, text } of files.filter(({ invalid }) => !invalid))
  test(`${name} is taken, and comes out of the encoder as it went in`, () => {
    const parsed = parseMessage(channel, text);
    assert.ok(parsed.ok, parsed.ok ? "" : parsed.reason);
    const value: unknown = JSON.parse(text);
    assert.equal(JSON.parse(encodeMessage(channel, value as Message<Channel>)), value);
  });

for (const { name, channel, text } of files.filter(({ invalid }) => invalid))
  test(`${name} is refused`, () => {
    const { reason, message } = JSON.parse(text) as { reason: string; message: unknown };
    assert.ok(reason.length > 10, "an invalid message says what is wrong with it");
    const parsed = parseMessage(channel, JSON.stringify(message));
    assert.not(parsed.ok, "it was taken");
    assert.throws(() => encodeMessage(channel, message as Message<Channel>), /refusing to send/);
  });

test("what is no JSON, cut or too large is refused, and never throws", () => {
  const [sample] = files.filter(({ invalid, channel }) => !invalid && channel === "reported");
  const text = sample?.text ?? "";
  for (let length = 0; length < text.length - 3; length += 7) assert.not(parseMessage("reported", text.slice(0, length)).ok);
  for (const payload of ["", "null", "[]", "42", '"x"', "{", "\u0000", '{"__proto__":{}}'])
    assert.not(parseMessage("status", payload).ok, payload);
  assert.not(parseMessage("log", Buffer.from([0xff, 0xfe, 0x00])).ok);
  const large = parseMessage("status", " ".repeat(MAX_PAYLOAD_BYTES + 1));
  assert.ok(!large.ok && /over 65536/.test(large.reason));
});
