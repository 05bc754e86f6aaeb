/** From flags to an app. */
import * as assert from "uvu/assert";
import { NO_LISTS as NONE, specFromFlags } from "#fleet/cli/deploy-flags.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("fleet/cli deploy flags");

test("a priority is one of the three, and a wrong one is told with what is allowed", () => {
  assert.is(specFromFlags({ image: "web:1" }, { ...NONE, priority: "critical" }, []).priority, "critical");
  assert.is(specFromFlags({ image: "web:1", priority: "low" }, NONE, []).priority, "low");
  assert.throws(() => specFromFlags({}, { ...NONE, priority: "urgent" }, []), /--priority urgent: must be critical, normal, low/);
});

test("budgets of flags add to those of a file", () => {
  const spec = specFromFlags({ budget: { memory: 1 << 20, pids: 3 } }, { ...NONE, memory: "16m", memoryHigh: "12m", cpus: "0.5" }, []);
  assert.equal(spec.budget, { memory: 16 << 20, pids: 3, high: 12 << 20, cpus: 500 });
});

test("what an app may write: layer, open files, log and block devices, by Docker's flags, option by option over a file", () => {
  const flags = {
    ...NONE,
    storageOpt: "size=64m",
    ulimit: "nofile=512",
    logOpt: ["max-rate=64k", "max-burst=1m"],
    blkioWeight: "200",
    deviceReadBps: ["/dev/mmcblk0:4m"],
    deviceWriteIops: ["/dev/mmcblk0:100", "/dev/sda:7"],
  };
  const spec = specFromFlags({ budget: { pids: 3, log: { maxFiles: 2, rate: 1 } } }, flags, []);
  assert.equal(spec.budget, {
    pids: 3,
    disk: 64 << 20,
    files: 512,
    log: { maxFiles: 2, rate: 65_536, burst: 1 << 20 },
    io: {
      weight: 200,
      devices: [
        { device: "/dev/mmcblk0", readBps: 4 << 20, writeIops: 100 },
        { device: "/dev/sda", writeIops: 7 },
      ],
    },
  });
  assert.is(specFromFlags({}, { ...NONE, logOpt: ["max-rate=unlimited"] }, []).budget?.log?.rate, 0);
});

test("a wrong value of these is told with what is allowed", () => {
  const wrong =
    (flags: object): (() => unknown) =>
    () =>
      specFromFlags({}, { ...NONE, ...flags }, []);
  assert.throws(wrong({ storageOpt: "size=1m" }), /--storage-opt size=1m: must be size= and a size from 16m/);
  assert.throws(wrong({ storageOpt: "64m" }), /--storage-opt 64m/);
  assert.throws(wrong({ ulimit: "core=0" }), /--ulimit core=0: must be nofile=NUMBER/);
  assert.throws(wrong({ logOpt: ["max-burst=1k"] }), /--log-opt max-burst 1k: must be at least 65536 bytes/);
  assert.throws(wrong({ logOpt: ["tag=x"] }), /--log-opt tag=x: must be max-size=/);
  assert.throws(wrong({ deviceReadBps: ["sda:1m"] }), /--device-read-bps sda:1m: must be \/dev\/NAME:RATE/);
  assert.throws(wrong({ deviceReadIops: ["/dev/sda:0"] }), /--device-read-iops 0/);
});
