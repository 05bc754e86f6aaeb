/** The native addon from JavaScript: its border, its errors, its threads, and real sandboxes through it. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import * as assert from "uvu/assert";
import type { Native, NativeEngine } from "#agent/sandbox/native.ts";
import type { SandboxExit, SandboxInfo, SandboxStats } from "#agent/sandbox/types.ts";
import { Box, DIST, run } from "#test/lib/command.ts";
import { busyboxImage, busyboxImageFile } from "#test/lib/images.ts";
import { openFiles } from "#test/lib/leaks.ts";
import { Runtime } from "#test/lib/runtime.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("addon");
const ADDON = process.env.LIGHTV_ADDON ?? join(DIST, "lib/lightv/lightv.node");

interface NativeError extends Error {
  readonly code: string;
  readonly op: string;
  readonly errno: number;
  readonly detail: string;
  readonly hint: string;
}

function load(t: TestContext): Native {
  if (!existsSync(ADDON)) t.skip(`${ADDON} is not built: npm run build`);
  return createRequire(import.meta.url)(ADDON) as Native;
}

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lightv-addon-"));
  t.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** What a promise is rejected with. */
async function failure(promise: Promise<unknown>): Promise<NativeError> {
  return promise.then(
    () => {
      throw new Error("did not fail");
    },
    (error: NativeError) => error,
  );
}

interface Machine {
  readonly native: Native;
  readonly engine: NativeEngine;
  readonly box: Box;
}

/** An engine on roots of its own with a busybox image "test". */
async function machine(t: TestContext): Promise<Machine> {
  const native = load(t);
  const reason = Box.unavailable();
  if (reason !== undefined) t.skip(reason);
  const box = new Box();
  t.cleanup(() => box.close());
  await busyboxImage(box.root, { name: "test" });
  return { native, box, engine: native.openEngine({ root: box.root, run: box.runRoot, monitorBinary: box.binary }) };
}

async function started(engine: NativeEngine, ...command: string[]): Promise<string> {
  const id = await engine.create(JSON.stringify({ image: "test", command, stopTimeoutMs: 1000 }));
  await engine.start(id);
  return id;
}

/** A shell that has set its trap: a signal before that would end it. */
async function trapping(engine: NativeEngine, trap: string): Promise<string> {
  const id = await started(engine, "sh", "-c", `${trap}; echo trapped; while true; do sleep 0.1; done`);
  while (!readFileSync(engine.logPath(id), "utf8").includes("trapped")) await sleep(10);
  return id;
}

async function infoOf(engine: NativeEngine, id: string): Promise<SandboxInfo> {
  return JSON.parse(await engine.info(id)) as SandboxInfo;
}

interface Output {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly truncated: boolean;
  readonly timedOut: boolean;
}

async function exec(engine: NativeEngine, id: string, request: object): Promise<Output> {
  const raw = JSON.parse(await engine.exec(id, JSON.stringify(request))) as Output;
  const decode = (text: string) => Buffer.from(text, "base64").toString();
  return { ...raw, stdout: decode(raw.stdout), stderr: decode(raw.stderr) };
}

function ended(engine: NativeEngine, id: string): Promise<SandboxExit> {
  return new Promise((resolve) => {
    engine.watch(id, (json) => resolve(JSON.parse(json) as SandboxExit));
  });
}

test("reads and verifies an image, telling its progress to the end", async (t) => {
  const native = load(t);
  const path = join(scratch(t), "image.lv");
  const image = await busyboxImageFile(path, { name: "shop/web:1" });
  const info = JSON.parse(await native.readImage(path)) as { digest: string; name: string; manifest: { os: string } };
  assert.is(info.digest, image.digest);
  assert.is(info.name, "shop/web:1");
  assert.is(info.manifest.os, "linux");
  const progress: [number, number][] = [];
  assert.equal(JSON.parse(await native.verifyImage(path, (done, total) => progress.push([done, total]))), info);
  const last = progress.at(-1);
  assert.ok(last !== undefined && last[0] === last[1] && last[1] > 0, JSON.stringify(progress));
  assert.equal(
    progress,
    progress.toSorted((a, b) => a[0] - b[0]),
  );
});

test("a damaged image is refused, naming the file and the chunk", async (t) => {
  const native = load(t);
  const path = join(scratch(t), "image.lv");
  await busyboxImageFile(path);
  const bytes = readFileSync(path);
  bytes[100_000] = (bytes[100_000] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  assert.ok(await native.readImage(path));
  const error = await failure(native.verifyImage(path));
  assert.is(error.code, "LV_NATIVE");
  assert.match(error.detail, /chunk \d+: SHA-256/);
  assert.ok(error.message.includes(path) && error.hint !== "");
});

test("an error tells operation, errno, detail and hint", async (t) => {
  const native = load(t);
  const error = await failure(native.readImage("/none.lv"));
  assert.instance(error, Error);
  assert.equal([error.code, error.op, error.errno, error.detail], ["LV_NATIVE", "open", 2, "/none.lv"]);
});

test("wrong arguments are the caller's TypeError, at once", (t) => {
  const native = load(t);
  const typeError = (call: () => unknown, message: RegExp) =>
    assert.throws(call, (error: Error) => error instanceof TypeError && message.test(error.message));
  const wrong = native as unknown as Record<keyof Native, (...args: unknown[]) => unknown>;
  typeError(() => wrong.readImage(5), /path must be a string/);
  typeError(() => wrong.readImage("a\0b"), /NUL/);
  typeError(() => wrong.verifyImage("x", 7), /onProgress must be a function/);
  typeError(() => wrong.openEngine(), /options must be an object/);
  typeError(() => native.openEngine({ root: "relative", run: "/r", monitorBinary: "/b" }), /root must be an absolute path/);
  const directory = scratch(t);
  const engine = native.openEngine({ root: directory, run: directory, monitorBinary: "/bin/false" });
  typeError(() => engine.kill("x", 1.5), /signal must be a whole number/);
  typeError(() => engine.remove("x", 1 as unknown as boolean, false), /force must be a boolean/);
  // Functions that belong to nobody: taken off their object they work as before.
  const { logPath } = engine;
  assert.is(logPath("abc"), engine.logPath("abc"));
});

test("sd_notify without a service manager is false", (t) => {
  const native = load(t);
  if (process.env.NOTIFY_SOCKET !== undefined) t.skip("NOTIFY_SOCKET is set");
  assert.is(native.sdNotify("READY=1"), false);
});

test("a sandbox goes through its life", async (t) => {
  const { engine } = await machine(t);
  const id = await started(engine, "sleep", "1000");
  assert.is(await engine.find(id.slice(0, 6)), id);
  assert.is((await infoOf(engine, id)).status, "running");
  assert.is((JSON.parse(await engine.list()) as SandboxInfo[]).length, 1);
  const stats = JSON.parse(await engine.stats(id)) as SandboxStats;
  assert.ok(stats.pids === undefined || stats.pids >= 1);
  const end = ended(engine, id);
  await engine.stop(id, 15, 1000);
  assert.type((await end).exitCode, "number");
  assert.is((await infoOf(engine, id)).status, "exited");
  assert.ok(existsSync(engine.logPath(id)));
  await engine.remove(id, false, false);
  assert.equal(JSON.parse(await engine.list()), []);
  assert.is((await failure(engine.info(id))).errno, 2);
});

test("limits of a sandbox that runs change at once, and stay", async (t) => {
  const { engine } = await machine(t);
  const id = await started(engine, "sleep", "1000");
  await engine.update(id, JSON.stringify({ memoryMax: 32 << 20, pidsMax: 7 }));
  const stats = JSON.parse(await engine.stats(id)) as SandboxStats;
  assert.is(stats.memoryLimitBytes, 32 << 20);
  assert.is(stats.pidsLimit, 7);
  assert.is((await infoOf(engine, id)).spec.limits?.pidsMax, 7);
  assert.match((await failure(engine.update(id, '{"pids":7}'))).message, /pids/);
  assert.match((await failure(engine.update("0123456789abcdef", "{}"))).message, /No such sandbox/);
});

test("run creates and starts, from nothing or by a sandbox that is prepared, with the same result", async (t) => {
  const { engine, box } = await machine(t);
  const request = (name: string): string =>
    JSON.stringify({ image: "test", name, hostname: "app", command: ["sh", "-c", "hostname; exit 3"], annotations: { who: name } });
  const run = async (name: string): Promise<{ readonly hostname: string; readonly exitCode: number | undefined }> => {
    const { id, pid } = JSON.parse(await engine.run(request(name))) as { id: string; pid: number };
    assert.ok(pid > 0);
    const exit = await new Promise<{ exitCode: number }>((resolve) =>
      engine.watch(id, (json) => resolve(JSON.parse(json) as { exitCode: number })),
    );
    const log = readFileSync(engine.logPath(id), "utf8").trim().split(" ").at(-1) ?? "";
    assert.equal(JSON.parse(await engine.info(id)).annotations, { who: name });
    return { hostname: log, exitCode: exit.exitCode };
  };
  const cold = await run("cold");
  assert.equal(cold, { hostname: "app", exitCode: 3 });
  const runtime = await Runtime.start(t, box, "test");
  assert.equal(await run("prepared"), cold);
  assert.is((await runtime.ready()).taken, 1);
});

test("a command that is not there is an error of exec, ENOENT", async (t) => {
  const { engine } = await machine(t);
  const id = await engine.create(JSON.stringify({ image: "test", command: ["/no/such"] }));
  const error = await failure(engine.start(id));
  assert.equal([error.op, error.errno], ["exec", 2]);
});

test("a wrong create request names the key", async (t) => {
  const { engine } = await machine(t);
  assert.match((await failure(engine.create('{"image":"test","colour":1}'))).message, /colour/);
  assert.match((await failure(engine.create("{"))).message, /not JSON/);
  assert.match((await failure(engine.create('{"image":"none"}'))).message, /No such image/);
});

test("exec gives exit code and output, and its program sees the sandbox", async (t) => {
  const { engine } = await machine(t);
  const id = await started(engine, "sleep", "1000");
  const answer = await exec(engine, id, { args: ["sh", "-c", "echo out; echo err >&2; ls /; cat /proc/1/comm; exit 7"] });
  assert.is(answer.exitCode, 7);
  // The image's own directories and the sandbox's own processes, not the machine's.
  assert.is(answer.stdout, "out\nbin\ndev\netc\nproc\nroot\nrun\nsys\ntmp\nvar\nlightv-init\n");
  assert.is(answer.stderr, "err\n");
  assert.equal([answer.truncated, answer.timedOut], [false, false]);
  const env = await exec(engine, id, { args: ["sh", "-c", "echo $A $PWD"], env: ["A=b"], cwd: "/tmp" });
  assert.is(env.stdout, "b /tmp\n");
  assert.is((await exec(engine, id, { args: ["sh", "-c", "kill -9 $$"] })).exitCode, 137);
  const missing = await failure(exec(engine, id, { args: ["/no/such"] }));
  assert.equal([missing.op, missing.errno], ["exec", 2]);
  assert.match((await failure(exec(engine, id, { args: [] }))).message, /args/);
});

test("exec keeps the end of a long output", async (t) => {
  const { engine } = await machine(t);
  const id = await started(engine, "sleep", "1000");
  const args = ["sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"];
  const answer = await exec(engine, id, { args });
  assert.is(answer.truncated, true);
  assert.is(Buffer.byteLength(answer.stdout), 24 * 1024);
  assert.ok(answer.stdout.endsWith("line 19998\nline 19999\n"));
  assert.is((await exec(engine, id, { args: ["echo", "123456"], maxOutputBytes: 3 })).stdout, "56\n");
});

test("exec kills what takes too long, and does not wait for what stays in the background", async (t) => {
  const { engine } = await machine(t);
  const id = await started(engine, "sleep", "1000");
  const late = await exec(engine, id, { args: ["sh", "-c", "echo before; sleep 1000; true"], timeoutMs: 300 });
  assert.equal([late.timedOut, late.exitCode, late.stdout], [true, 137, "before\n"]);
  const background = await exec(engine, id, { args: ["sh", "-c", "sleep 1000 & echo done"], timeoutMs: 20_000 });
  assert.equal([background.timedOut, background.stdout], [false, "done\n"]);
  const { stdout } = await exec(engine, id, { args: ["sh", "-c", "ps | grep -c 'sleep 100[0]'"] });
  assert.is(stdout, "2\n"); // the workload and the one left in the background; not the one whose time was over
});

test("a watch tells the exit of what runs, what has ended, and what lost its monitor", async (t) => {
  const { engine } = await machine(t);
  const id = await trapping(engine, "trap 'exit 3' TERM");
  const end = ended(engine, id);
  await engine.kill(id, 15);
  assert.is((await end).exitCode, 3);
  assert.is((await ended(engine, id)).exitCode, 3);

  const other = await started(engine, "sleep", "1000");
  const lost = ended(engine, other);
  await sleep(100);
  const { monitorPid } = (await infoOf(engine, other)) as SandboxInfo & { monitorPid: number };
  process.kill(monitorPid, "SIGKILL");
  assert.equal([(await lost).lost, (await lost).exitCode], [true, 137]);
  assert.is((await ended(engine, "0123456789abcdef")).lost, true);
});

test("a closed watch is silent, and closing twice is fine", async (t) => {
  const { engine } = await machine(t);
  const id = await started(engine, "sleep", "1000");
  let calls = 0;
  const watches = Array.from({ length: 20 }, () => engine.watch(id, () => calls++));
  for (const watch of watches.slice(1)) watch.close();
  watches[1]?.close();
  const end = ended(engine, id);
  await engine.kill(id, 9);
  await end;
  await sleep(200);
  assert.is(calls, 1);
});

/** How many threads of this process have that name. */
function threads(name: string): number {
  return readdirSync("/proc/self/task").filter((id) => readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim() === name).length;
}

test(
  "many sandboxes are watched by one thread, and leave no descriptor behind",
  async (t) => {
    const { engine } = await machine(t);
    const round = async (): Promise<void> => {
      const ids = await Promise.all(Array.from({ length: 12 }, () => started(engine, "sleep", "1000")));
      const ends = ids.map((id) => ended(engine, id));
      const closed = ids.map((id) => engine.watch(id, () => {}));
      for (const watch of closed) watch.close();
      await Promise.all(ids.map((id) => engine.info(id)));
      assert.is(threads("lightv-watch"), 1);
      assert.ok(threads("lightv-work") <= 16);
      await Promise.all(ids.map((id) => engine.kill(id, 9)));
      await Promise.all(ends);
      await Promise.all(ids.map((id) => engine.remove(id, true, false)));
    };
    await round();
    const files = openFiles(process.pid);
    await round();
    await round();
    assert.ok(openFiles(process.pid) <= files, `open files: ${files} before, ${openFiles(process.pid)} after`);
    for (let i = 0; i < 200 && threads("lightv-work") > 0; i++) await sleep(100);
    assert.is(threads("lightv-work"), 0, "threads without work end");
  },
  { timeoutMs: 120_000 },
);

test("a stop that waits holds up neither Node's own threads nor other calls", async (t) => {
  const { engine } = await machine(t);
  const ids = await Promise.all(Array.from({ length: 5 }, () => trapping(engine, "trap '' TERM")));
  let stopped = 0;
  const stops = ids.map((id) => engine.stop(id, 15, 4000).then(() => stopped++));
  await sleep(100);
  await engine.list();
  assert.is(stopped, 0);
  await Promise.all(ids.map((id) => engine.kill(id, 9)));
  await Promise.all(stops);
});

/** A program that loads the addon, in whatever Node. */
async function inNode(node: string, body: string): Promise<string> {
  const { code, stdout, stderr } = await run(node, ["-e", `const native = require(${JSON.stringify(ADDON)}); ${body}`]);
  assert.is(code, 0, stderr);
  return stdout.trim();
}

test("the same build serves every Node, from 20 on", async (t) => {
  load(t);
  const nodes = [process.execPath, "/usr/bin/node"].filter((path) => existsSync(path));
  for (const node of nodes) {
    const body = 'native.readImage("/none.lv").catch((error) => console.log(error.code, error.errno));';
    assert.is(await inNode(node, body), "LV_NATIVE 2");
  }
});

test("a watch does not keep Node alive, a call under way does", async (t) => {
  const { engine, box } = await machine(t);
  const id = await started(engine, "sleep", "1000");
  const open = `const e = native.openEngine(${JSON.stringify({ root: box.root, run: box.runRoot, monitorBinary: box.binary })});`;
  const body = `${open} e.watch("${id}", () => console.log("ended")); e.info("${id}").then(() => console.log("known"));`;
  assert.is(await inNode(process.execPath, body), "known");
  assert.is((await infoOf(engine, id)).status, "running");
});

test("an exception in a callback is Node's uncaught exception", async (t) => {
  load(t);
  const path = join(scratch(t), "image.lv");
  await busyboxImageFile(path);
  const body = `process.on("uncaughtException", (e) => console.log("caught", e.message));
    native.verifyImage(${JSON.stringify(path)}, () => { throw new Error("mine"); });`;
  assert.match(await inNode(process.execPath, body), /^caught mine/);
});

test("a Worker may go while calls and watches are under way", async (t) => {
  const { engine, box } = await machine(t);
  const id = await trapping(engine, "trap '' TERM");
  const code = `const native = require(${JSON.stringify(ADDON)});
    const e = native.openEngine(${JSON.stringify({ root: box.root, run: box.runRoot, monitorBinary: box.binary })});
    e.watch("${id}", () => {}); e.stop("${id}", 15, 3000); e.list();
    require("node:worker_threads").parentPort.postMessage("ready");`;
  for (let i = 0; i < 5; i++) {
    const worker = new Worker(code, { eval: true });
    await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
  }
  assert.ok((await engine.list()).includes(id));
  await engine.kill(id, 9);
  await ended(engine, id);
});
