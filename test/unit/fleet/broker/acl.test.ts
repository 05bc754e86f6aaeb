import * as assert from "uvu/assert";
import { DOWN_CHANNELS, topicOf, UP_CHANNELS } from "#agent/wire/topics.ts";
import { mayConnect, mayPublish, maySubscribe } from "#fleet/broker/acl.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/broker/acl");

test("a device publishes on its own up channels only", () => {
  for (const channel of UP_CHANNELS) {
    assert.is(mayPublish("a", topicOf("a", channel), false), undefined, channel);
    assert.ok(mayPublish("a", topicOf("b", channel), false), channel);
  }
  for (const channel of DOWN_CHANNELS) assert.ok(mayPublish("a", topicOf("a", channel), false), channel);
});

test("only status may be retained", () => {
  for (const channel of UP_CHANNELS) assert.is(mayPublish("a", topicOf("a", channel), true) === undefined, channel === "status");
});

test("a device subscribes to its own down channels, by their full names", () => {
  for (const channel of DOWN_CHANNELS) assert.is(maySubscribe("a", topicOf("a", channel)), undefined);
  for (const filter of ["#", "+", "", "lv/1/+/a/desired", topicOf("a", "event"), topicOf("b", "cmd"), `${topicOf("a", "cmd")}/`, "$SYS/#"])
    assert.ok(maySubscribe("a", filter), filter);
});

test("the client id is the user name, which is a device id", () => {
  assert.is(mayConnect({ clientId: "a", username: "a" }), undefined);
  for (const connect of [
    { clientId: "a" },
    { clientId: "b", username: "a" },
    { clientId: "", username: "" },
    { clientId: "A", username: "A" },
    { clientId: "a/b", username: "a/b" },
  ])
    assert.ok(mayConnect(connect), JSON.stringify(connect));
});

test("a will goes to the device's own status", () => {
  assert.is(mayConnect({ clientId: "a", username: "a", will: { topic: topicOf("a", "status"), retain: true } }), undefined);
  for (const topic of [topicOf("b", "status"), topicOf("a", "event"), topicOf("a", "desired"), "x"])
    assert.ok(mayConnect({ clientId: "a", username: "a", will: { topic } }), topic);
});
