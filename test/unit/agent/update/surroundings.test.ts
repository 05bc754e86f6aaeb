/** What an update finds around itself: room on the disk, a network, an engine that starts sandboxes. */
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { NetworkInterfaceInfo } from "node:os";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { CreateRequest, SandboxInfo } from "#agent/sandbox/types.ts";
import { forgetEnds } from "#agent/update/ends.ts";
import { hasNetwork } from "#agent/update/network.ts";
import { bytesOfTree, checkRoom, freeBytesOf } from "#agent/update/room.ts";
import { proveSandbox } from "#agent/update/sandbox-proof.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/update/surroundings");
const MIB = 1 << 20;

test("room: what the slot gives counts, the reserve stays free", () => {
  checkRoom({ neededBytes: 10 * MIB, freeBytes: 26 * MIB, givenBytes: 0 }, "a");
  checkRoom({ neededBytes: 10 * MIB, freeBytes: 20 * MIB, givenBytes: 6 * MIB }, "a");
  assert.throws(() => checkRoom({ neededBytes: 10 * MIB, freeBytes: 26 * MIB - 1, givenBytes: 0 }, "a"), /0\.0 MiB are lacking/);
  assert.throws(
    () => checkRoom({ neededBytes: 10 * MIB, freeBytes: MIB, givenBytes: MIB }, "b"),
    /slot b would give 1\.0 MiB, so 24\.0 MiB/,
  );
});

test("room: a tree gives what nobody else links to; none gives nothing", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "lightv-room-"));
  t.cleanup(() => rmSync(home, { recursive: true }));
  const tree = join(home, "a");
  assert.is(await bytesOfTree(tree), 0);
  mkdirSync(join(tree, "lib"), { recursive: true });
  writeFileSync(join(tree, "lib/own"), Buffer.alloc(MIB, 1));
  writeFileSync(join(home, "node"), Buffer.alloc(MIB, 1));
  linkSync(join(home, "node"), join(tree, "lib/node"));
  const bytes = await bytesOfTree(tree);
  assert.ok(bytes >= MIB && bytes < MIB + MIB / 2, `${bytes}`);
  assert.ok((await freeBytesOf(home)) > 0);
});

test("network: an address that somebody else gave; loopback and self-made ones are none", () => {
  const at = (address: string, internal = false): NetworkInterfaceInfo[] => [
    { address, internal, netmask: "", mac: "", cidr: null, family: "IPv4" },
  ];
  assert.not(hasNetwork({}));
  assert.not(hasNetwork({ lo: at("127.0.0.1", true), eth0: at("fe80::1"), eth1: at("169.254.7.7") }));
  assert.ok(hasNetwork({ lo: at("127.0.0.1", true), eth0: [...at("fe80::1"), ...at("10.0.2.15")] }));
  assert.ok(hasNetwork({ wwan0: at("2001:db8::1") }));
  assert.ok(hasNetwork({ wwan0: at("fd00::2") }));
});

/** Sandboxes in memory. */
class Engine {
  readonly sandboxes = new Map<string, CreateRequest>();
  started = 0;
  failure: Error | undefined;

  async create(request: CreateRequest): Promise<string> {
    const id = `id-${this.sandboxes.size}`;
    this.sandboxes.set(id, request);
    return id;
  }
  async start(): Promise<{ pid: number; warnings: string[] }> {
    if (this.failure !== undefined) throw this.failure;
    this.started++;
    return { pid: 1, warnings: [] };
  }
  async list(): Promise<SandboxInfo[]> {
    return [...this.sandboxes].map(([id, { name, annotations }]) => ({ id, name, annotations }) as unknown as SandboxInfo);
  }
  async remove(id: string): Promise<void> {
    this.sandboxes.delete(id);
  }
}

test("proof: a sandbox of the payload starts, and none stays, whatever happens; other people's are left alone", async () => {
  const engine = new Engine();
  const theirs = { name: "lightv-agent-proof", annotations: {} } as unknown as CreateRequest;
  engine.sandboxes.set("theirs", theirs);
  engine.sandboxes.set("left", { ...theirs, annotations: { "lightv-agent-proof": "sha256:0" } });
  assert.is(await proveSandbox(engine, async () => false, "sha256:1"), false);
  assert.equal([...engine.sandboxes.keys()], ["theirs"]);
  assert.is(engine.started, 0);
  assert.is(await proveSandbox(engine, async (digest) => digest === "sha256:1", "sha256:1"), true);
  assert.is(engine.started, 1);
  engine.failure = new Error("unknown key");
  let said = "";
  await proveSandbox(engine, async () => true, "sha256:1").catch((error: Error) => {
    said = error.message;
  });
  assert.is(said, "unknown key");
  assert.equal([...engine.sandboxes.keys()], ["theirs"]);
});

test("the row of bad ends is over once an agent was heard; that there is none is fine", async (t) => {
  const run = mkdtempSync(join(tmpdir(), "lightv-ends-"));
  t.cleanup(() => rmSync(run, { recursive: true }));
  writeFileSync(join(run, "agent-ends.json"), "{}");
  await forgetEnds(run);
  await forgetEnds(run);
  assert.throws(() => rmSync(join(run, "agent-ends.json")), /ENOENT/);
});
