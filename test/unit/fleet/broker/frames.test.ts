import { PassThrough } from "node:stream";
import * as assert from "uvu/assert";
import { Admission } from "#fleet/broker/admission.ts";
import { bounded, FrameMeter } from "#fleet/broker/frames.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/broker/frames");

/** A packet of a body of `length` bytes. */
function packet(length: number): Buffer {
  const head = [0x30];
  let rest = length;
  do {
    head.push((rest % 128) | (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 0xff)]);
}

test("packets up to the limit pass, however the bytes are cut", () => {
  const stream = Buffer.concat([0, 1, 127, 128, 1000, 16_383, 16_384, 65_536, 0].map(packet));
  for (const step of [1, 2, 3, 7, 1000, stream.length]) {
    const meter = new FrameMeter(65_536);
    for (let at = 0; at < stream.length; at += step) assert.ok(meter.accept(stream.subarray(at, at + step)), `step ${step} at ${at}`);
  }
});

test("a packet over the limit is seen in its header, before its body", () => {
  for (const length of [65_537, 100_000, 2_000_000]) {
    const meter = new FrameMeter(65_536);
    assert.ok(meter.accept(packet(10)));
    assert.ok(meter.accept(packet(length).subarray(0, 1)));
    assert.not(meter.accept(packet(length).subarray(1, 5)));
  }
});

test("one read gives all that has come, in however many chunks", async () => {
  const inner = new PassThrough();
  const outer = bounded(inner, 100, () => undefined);
  const readable = new Promise((resolve) => outer.once("readable", resolve));
  for (const byte of packet(20)) inner.write(Buffer.from([byte]));
  await readable;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(outer.read(), packet(20));
  assert.is(outer.read(), null);
  const again = new Promise((resolve) => outer.once("readable", resolve));
  inner.write(packet(3));
  await again;
  assert.equal(outer.read(), packet(3));
});

test("a length of five bytes is none (MQTT 3.1.1, 2.2.3)", () => {
  assert.not(new FrameMeter(1000).accept(Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80, 0x00])));
  assert.not(new FrameMeter(1000).accept(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f])));
});

test("a bounded connection passes bytes both ways and ends when a packet is too long", async () => {
  const inner = new PassThrough();
  let told = 0;
  const outer = bounded(inner, 100, () => {
    told += 1;
  });
  const failed = new Promise((resolve) => outer.on("error", resolve));
  outer.on("data", () => undefined);
  inner.write(packet(100));
  inner.write(packet(101));
  await failed;
  assert.is(told, 1);
  assert.ok(inner.destroyed);
});

test("admission lets a burst in, then so many a second", () => {
  let now = 0;
  const admission = new Admission(10, 5, () => now);
  const admitted = (tries: number): number => Array.from({ length: tries }, () => admission.admit()).filter(Boolean).length;
  assert.is(admitted(20), 5);
  now = 100;
  assert.is(admitted(20), 1);
  now = 10_000;
  assert.is(admitted(20), 5);
  now = 0;
  assert.is(admitted(20), 0, "a clock that goes back gives nothing");
});
