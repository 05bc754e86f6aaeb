import * as assert from "uvu/assert";
import { NO_LISTS as NONE, specFromFlags } from "#fleet/cli/deploy-flags.ts";
import { ago, bytes, table } from "#fleet/cli/output.ts";
import { parseBytes, parseCpus, parseDuration, parseInteger, withTag } from "#fleet/cli/values.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/cli/values");

test("sizes, CPUs and times are read as Docker's users write them", () => {
  assert.is(parseBytes("-m", "32m"), 33_554_432);
  assert.is(parseBytes("-m", "1.5G"), 1_610_612_736);
  assert.is(parseBytes("-m", "512"), 512);
  assert.is(parseCpus("--cpus", "0.5"), 500);
  assert.is(parseDuration("--t", "90"), 90_000);
  assert.is(parseDuration("--t", "500ms"), 500);
  assert.is(parseDuration("--t", "24h"), 86_400_000);
  assert.is(withTag("reg:5000/web"), "reg:5000/web:latest");
  assert.is(withTag("web:1"), "web:1");
  for (const wrong of ["", "m", "-1m", "1x", "32 m b"]) assert.throws(() => parseBytes("-m", wrong), /-m/, wrong);
  assert.throws(() => parseCpus("--cpus", "0"));
  assert.throws(() => parseDuration("--t", "soon"));
  assert.throws(() => parseInteger("--n", "1.5"));
});

test("flags become the app's parts; a port brings the device's network with it", () => {
  const spec = specFromFlags(
    {},
    {
      ...NONE,
      image: "web",
      memory: "32m",
      cpus: "0.5",
      env: ["A=b=c"],
      port: ["8080", "53/udp"],
      volume: ["data:/d:ro"],
      tmpfs: ["/t:size=1m"],
      restart: "on-failure:3",
      healthHttp: "8080/ok",
    },
    ["-f"],
  );
  assert.equal(spec, {
    image: "web",
    command: ["-f"],
    env: { A: "b=c" },
    budget: { memory: 33_554_432, cpus: 500 },
    ports: [
      { port: 8080, protocol: "tcp" },
      { port: 53, protocol: "udp" },
    ],
    mounts: [
      { source: "data", target: "/d", readOnly: true },
      { target: "/t", size: 1_048_576 },
    ],
    restart: { policy: "on-failure", maxRetries: 3 },
    health: { probe: { http: { port: 8080, path: "/ok" } } },
    network: "host",
  });
  assert.is(specFromFlags({}, { ...NONE, port: ["80"], network: "none" }, []).network, "none");
  assert.is(specFromFlags({}, { ...NONE, userns: "auto" }, []).userns, "auto");
});

test("flags go over a file, key by key", () => {
  const spec = specFromFlags(
    { image: "old", env: { A: "1", B: "2" }, budget: { memory: 1_000_000, pids: 5 } },
    { ...NONE, image: "new", env: ["B=3"], memory: "2m" },
    [],
  );
  assert.equal(spec, { image: "new", env: { A: "1", B: "3" }, budget: { memory: 2_097_152, pids: 5 } });
});

test("wrong flags are named with what is allowed", () => {
  for (const flags of [
    { port: ["x"] },
    { port: ["1/sctp"] },
    { volume: ["data"] },
    { volume: ["a:/b:zz"] },
    { tmpfs: ["t"] },
    { restart: "often" },
    { network: "bridge" },
    { userns: "keep-id" },
    { env: ["novalue"] },
    { healthCmd: "a", healthTcp: "1" },
  ])
    assert.throws(() => specFromFlags({}, { ...NONE, ...flags }, []), /must be|exclude/, JSON.stringify(flags));
});

test("tables line up, and sizes and ages are for people", () => {
  assert.is(
    table([
      ["A", "BB"],
      ["long", "x"],
    ]),
    "A      BB\nlong   x",
  );
  assert.is(bytes(999), "999B");
  assert.is(bytes(1_500_000), "1.50MB");
  assert.is(ago("2026-01-01T00:00:00Z", Date.parse("2026-01-01T00:05:00Z")), "5 minutes ago");
  assert.is(ago(null, 0), "never");
});
