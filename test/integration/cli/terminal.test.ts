/** Terminals: raw mode, window size, Ctrl-C, detaching and coming back. */
import { existsSync } from "node:fs";
import * as assert from "uvu/assert";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { CliFixture } from "./fixture.ts";

const test = suite("cli/terminal");
const fixture = new CliFixture();
const { box } = fixture;
test.before(() => fixture.start());
test.after(() => fixture.stop());

function need(t: TestContext): void {
  fixture.need(t);
  if (!existsSync("/usr/bin/script")) t.skip("script(1) is missing: apt-get install bsdutils");
}

test("run -it gives the program a terminal of the user's size, and its exit code", async (t) => {
  need(t);
  const ran = await fixture.inTerminal("run --rm -it box sh", [
    { after: /# /, type: "tty; stty size; echo mark$((40+2))\r" },
    { after: /mark42/, type: "exit 5\r" },
  ]);
  assert.is(ran.code, 5);
  assert.match(ran.stdout, /\/dev\/(pts\/0|console)\r\n/);
  assert.match(ran.stdout, /33 101\r\n/);
});

test("the size is there before the program's first instruction, with run and with exec", async (t) => {
  need(t);
  // Several times: raw mode must be there first too, else a line that comes early ends with \r\r\n.
  for (let i = 0; i < 8; i++) assert.is((await fixture.inTerminal("run --rm -it box stty size", [])).stdout, "33 101\r\n");
  await box.ok("run", "-d", "--name", "sized", "box", "sleep", "100");
  const joined = await fixture.inTerminal("exec -it sized stty size", []);
  assert.is(joined.stdout, "33 101\r\n");
  await box.ok("rm", "-f", "sized");
});

test("Ctrl-C reaches the program, not the client", async (t) => {
  need(t);
  const ran = await fixture.inTerminal(`run --rm -it box sh -c "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done"`, [
    { after: /ready/, type: "\u0003" },
  ]);
  assert.is(ran.code, 9);
  assert.match(ran.stdout, /caught/);
});

test("Ctrl-P Ctrl-Q leaves it running, and attach comes back to it", async (t) => {
  need(t);
  const left = await fixture.inTerminal("run -it --name shell box sh", [
    { after: /# /, type: "X=kept; echo mark$((40+2))\r" },
    { after: /mark42/, type: "\u0010\u0011" },
  ]);
  assert.is(left.code, 0);
  assert.match(left.stdout, /read escape sequence/);
  assert.is(await box.ok("inspect", "-f", "{{.State.Status}}", "shell"), "running");
  // Who attaches sees nothing until the program writes: this one is made to.
  const back = fixture.inTerminal("attach shell", [{ after: /nudge/, type: "echo $X; exit 4\r" }]);
  const nudge = setInterval(() => void box.lightv(["exec", "shell", "sh", "-c", "echo nudge >/dev/pts/0"]), 500);
  t.cleanup(() => clearInterval(nudge));
  const { code, stdout } = await back;
  clearInterval(nudge);
  assert.is(code, 4);
  assert.match(stdout, /kept/);
  await box.ok("rm", "-f", "shell");
});

test("other detach keys are taken, and wrong ones refused", async (t) => {
  need(t);
  const left = await fixture.inTerminal("run -it --detach-keys=ctrl-x,q --name other box sh", [{ after: /# /, type: "\u0018q" }]);
  assert.is(left.code, 0);
  assert.is(await box.ok("inspect", "-f", "{{.State.Status}}", "other"), "running");
  await box.ok("rm", "-f", "other");
  assert.match((await box.lightv(["run", "--detach-keys", "alt-x", "box"])).stderr, /invalid value "alt-x" for --detach-keys/);
});

test("exec -it has a terminal too", async (t) => {
  need(t);
  await box.ok("run", "-d", "--name", "plain", "box", "sleep", "100");
  const ran = await fixture.inTerminal("exec -it plain sh", [{ after: /# /, type: "stty size; echo $TERM; exit 8\r" }]);
  assert.is(ran.code, 8);
  assert.match(ran.stdout, /33 101\r\nxterm/);
  await box.ok("rm", "-f", "plain");
});

test("-it without a terminal on our side is refused with the way out", async (t) => {
  need(t);
  const refused = await box.lightv(["run", "--rm", "-it", "box", "true"]);
  assert.equal(refused, {
    code: 125,
    stdout: "",
    stderr: "lightv run: the input device is not a TTY (-t needs a terminal; leave it out, or leave out -i)\n",
  });
  assert.is(await box.ok("ps", "-aq"), "");
});
