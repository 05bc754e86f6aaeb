/** The verbs that look: ps, inspect, logs, stats, top, wait, plan, version, info, help, completion. */
import * as assert from "uvu/assert";
import { suite } from "#test/lib/suite.ts";
import { CliFixture } from "./fixture.ts";

const test = suite("cli/look");
const fixture = new CliFixture();
const { box } = fixture;
test.before(() => fixture.start());
test.after(() => fixture.stop());

test("ps shows Docker's columns, filters, and renders templates and JSON", async (t) => {
  fixture.need(t);
  const id = await box.ok("run", "-d", "--name", "looker", "--label", "app=web", "box", "sleep", "100");
  await box.lightv(["run", "--name", "ended", "box", "sh", "-c", "exit 3"]);
  const [header, ...rows] = (await box.ok("ps")).split("\n");
  assert.match(header ?? "", /^SANDBOX ID {3,}IMAGE {3,}COMMAND {3,}CREATED {3,}STATUS {3,}NAMES$/);
  assert.is(rows.length, 1);
  assert.match(rows[0] ?? "", new RegExp(`^${id.slice(0, 12)} +box +"sleep 100" +.* ago +Up .* +looker$`));
  assert.is(await box.ok("ps", "-a", "--format", "{{.Names}} {{.State}}"), "ended exited\nlooker running");
  assert.match(await box.ok("ps", "--filter", "exited=3", "--format", "{{.Status}}"), /^Exited \(3\) .* ago$/);
  assert.is(await box.ok("ps", "-q", "--no-trunc", "--filter", "label=app=web"), id);
  assert.is(await box.ok("ps", "-l", "--format", "{{.Names}}"), "ended");
  const parsed = JSON.parse(await box.ok("ps", "--format", "json"));
  assert.is(parsed.Names, "looker");
  assert.is(parsed.Labels, "app=web");
  assert.is(
    (await box.lightv(["ps", "--format", "{{.Nope}}"])).stderr,
    "lightv ps: template: no field .Nope ({{json .}} shows what there is)\n",
  );
  await box.ok("rm", "-f", "looker", "ended");
});

test("inspect tells about sandboxes in Docker's shape", async (t) => {
  fixture.need(t);
  const flags = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "20", "--restart", "on-failure:2", "-v", "vol1:/data"];
  const id = await box.ok("run", "-d", "--name", "seen", ...flags, "box", "sleep", "100");
  const [info] = JSON.parse(await box.ok("inspect", "seen"));
  assert.is(info.Id, id);
  assert.is(info.State.Status, "running");
  assert.equal([info.HostConfig.Memory, info.HostConfig.NanoCpus, info.HostConfig.PidsLimit], [64 << 20, 500_000_000, 20]);
  assert.equal(info.HostConfig.RestartPolicy, { Name: "on-failure", MaximumRetryCount: 2 });
  assert.equal(info.Config.Cmd, ["sleep", "100"]);
  assert.is(info.Mounts[0].Name, "vol1");
  assert.is(await box.ok("inspect", "-f", "{{.State.Running}} {{json .Config.Cmd}}", id.slice(0, 5)), 'true ["sleep","100"]');
  const missing = await box.lightv(["inspect", "nobody"]);
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /nobody/);
  await box.ok("rm", "-f", "seen");
});

test("logs keeps the streams apart, cuts by tail, and shows times", async (t) => {
  fixture.need(t);
  await box.lightv(["run", "--name", "talker", "box", "sh", "-c", "for i in 1 2 3; do echo out$i; echo err$i >&2; done"]);
  const all = await box.lightv(["logs", "talker"]);
  assert.equal(all, { code: 0, stdout: "out1\nout2\nout3\n", stderr: "err1\nerr2\nerr3\n" });
  const tail = await box.lightv(["logs", "--tail", "2", "talker"]);
  assert.is((tail.stdout + tail.stderr).trim().split("\n").length, 2);
  assert.match((await box.lightv(["logs", "-t", "talker"])).stdout, /^\d{4}-\d\d-\d\dT[\d:.]+Z out1\n/);
  assert.is((await box.lightv(["logs", "--since", "2099-01-01", "talker"])).stdout, "");
  assert.is((await box.lightv(["logs", "--until", "2001-01-01", "talker"])).stdout, "");
  assert.match((await box.lightv(["logs", "--since", "noon", "talker"])).stderr, /invalid value "noon" for --since/);
  await box.ok("rm", "talker");
});

test("logs -f shows what comes, over rotations, and ends with the sandbox", async (t) => {
  fixture.need(t);
  const loop = "i=0; while [ $i -lt 600 ]; do echo line$i; i=$((i+1)); [ $((i % 100)) -eq 0 ] && sleep 0.1; done";
  await box.ok("run", "-d", "--name", "rotor", "--log-opt", "max-size=8k", "--log-opt", "max-file=5", "box", "sh", "-c", loop);
  const followed = await box.lightv(["logs", "-f", "rotor"]);
  const lines = followed.stdout.trim().split("\n");
  assert.is(lines.at(-1), "line599");
  const numbers = lines.map((line) => Number(line.slice(4)));
  assert.ok(
    numbers.every((number, at) => at === 0 || number === (numbers[at - 1] ?? 0) + 1),
    "each line once, in order",
  );
  await box.ok("rm", "-f", "rotor");
});

test("stats and top tell what a sandbox uses and which processes it has", async (t) => {
  fixture.need(t);
  await box.ok("run", "-d", "--name", "busy", "--memory", "64m", "box", "sh", "-c", "while :; do :; done");
  const stats = JSON.parse(await box.ok("stats", "--no-stream", "--format", "json", "busy"));
  assert.is(stats.Name, "busy");
  assert.match(stats.MemUsage, /^[\d.]+[KM]iB \/ 64MiB$/);
  assert.ok(Number.parseFloat(stats.CPUPerc) > 1, `a loop uses processor time: ${stats.CPUPerc}`);
  assert.ok(Number(stats.PIDs) >= 1);
  const top = await box.ok("top", "busy");
  assert.match(top, /^UID +PID +PPID +C +STIME +TTY +TIME +CMD\n/);
  assert.match(top, /sh -c while/);
  await box.ok("rm", "-f", "busy");
  assert.is((await box.lightv(["top", "busy"])).code, 1);
});

test("wait prints exit codes, also of what has ended before", async (t) => {
  fixture.need(t);
  await box.ok("run", "-d", "--name", "soon", "box", "sh", "-c", "sleep 0.3; exit 6");
  assert.is(await box.ok("wait", "soon"), "6");
  assert.is(await box.ok("wait", "soon"), "6");
  await box.ok("rm", "soon");
});

test("plan shows what run would do and does nothing", async (t) => {
  fixture.need(t);
  const text = await box.ok("plan", "--memory", "64m", "box");
  assert.match(text, /^OPERATION +DETAIL\n/);
  assert.match(text, /namespaces +.*mount/);
  assert.is(await box.ok("ps", "-aq"), "");
});

test("help, version, info and completion come without a sandbox; wrong verbs are helped on", async (t) => {
  fixture.need(t);
  const help = await box.ok("--help");
  for (const verb of ["run", "exec", "ps", "import", "fleet", "images"]) assert.match(help, new RegExp(`^ {2}${verb} `, "m"));
  assert.not.match(help, /__monitor|__complete/);
  assert.match(await box.ok("run", "--help"), /^Usage: lightv run \[OPTIONS\] IMAGE.*\n[\s\S]*-e, --env KEY/);
  assert.match(await box.ok("--version"), /^lightv version \d+\.\d+\.\d+$/);
  assert.is(JSON.parse(await box.ok("version", "--format", "json")).Os, "linux");
  assert.is(JSON.parse(await box.ok("info", "--format", "json")).Root, box.root);
  const wrong = await box.lightv(["rnu"]);
  assert.equal(wrong, { code: 1, stdout: "", stderr: 'lightv: "rnu" is not a verb, did you mean "run"? (lightv --help lists them)\n' });
  for (const shell of ["bash", "zsh", "fish"]) assert.match(await box.ok("completion", shell), /__complete/);
});

test("completion offers verbs, flags, values, sandboxes and images", async (t) => {
  fixture.need(t);
  await box.ok("run", "-d", "--name", "candidate", "box", "sleep", "100");
  const complete = async (...words: string[]) => (await box.ok("__complete", "--", ...words)).split("\n");
  assert.equal(await complete("sta"), ["stats", "start"]);
  assert.equal(await complete("run", "--memory-s"), ["--memory-swap"]);
  assert.equal(await complete("run", "--network", ""), ["none", "host"]);
  assert.equal(await complete("stop", "cand"), ["candidate"]);
  assert.equal(await complete("start", ""), [""]);
  assert.ok((await complete("run", "-d", "")).includes("box:latest"));
  await box.ok("rm", "-f", "candidate");
});
