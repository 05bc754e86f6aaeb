/** lightvd's start as an operator sees it: over TLS with a CA of one's own, with a pin, under a service manager. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { agentStatus } from "#test/lib/agent-status.ts";
import { Authority, type Certificate, tlsFlags } from "#test/lib/certificates.ts";
import { TOP } from "#test/lib/command.ts";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { until } from "#test/lib/world.ts";

const test = suite("agent/start");
const ADDON = process.env.LIGHTV_ADDON ?? join(TOP, "build/release/lightv.node");
const MONITOR = process.env.LIGHTV_BIN ?? join(TOP, "build/release/lightv");
const LIMIT = { timeoutMs: 60_000 };

class Place {
  readonly directory = mkdtempSync(join(tmpdir(), "lightv-start-"));
  readonly authority = new Authority(this.directory, "ca");
  output = "";
  private agents = 0;

  constructor() {
    for (const name of ["root", "run", "fleet"]) mkdirSync(join(this.directory, name));
  }

  async fleet(t: TestContext, certificate: Certificate): Promise<Fleet> {
    const doors = ["--set", "mqtt.listen=off", "--set", "mqtt.tls-listen=127.0.0.1:0"];
    const fleet = await startFleet(join(this.directory, "fleet"), {
      extra: [...tlsFlags(certificate), ...doors],
      ca: this.authority.pem,
    });
    t.cleanup(() => fleet.stop());
    return fleet;
  }

  agent(t: TestContext, lines: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const file = join(this.directory, `lightvd-${++this.agents}.conf`);
    const roots = [`root = ${join(this.directory, "root")}`, `runroot = ${join(this.directory, "run")}`];
    writeFileSync(file, [...roots, "reconnect-max = 1", ...lines].join("\n"));
    const main = [join(TOP, "agent/main.ts"), "--config", file, "--addon", ADDON, "--monitor", MONITOR];
    const child = spawn(process.execPath, main, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env } });
    child.stderr.on("data", (data) => {
      this.output += data;
    });
    t.cleanup(() => end(child));
    return child;
  }

  connected(): Promise<true> {
    return until(
      "the connection",
      async () => ((await agentStatus(join(this.directory, "run")))?.connected ? true : undefined),
      20_000,
      () => this.output,
    );
  }

  async says(what: RegExp): Promise<void> {
    await until(
      `lightvd to say ${what}`,
      () => (what.test(this.output) ? true : undefined),
      20_000,
      () => this.output,
    );
  }
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  return ended;
}

function place(t: TestContext): Place {
  if (process.getuid?.() !== 0) t.skip("needs root");
  if (!existsSync(ADDON) || !existsSync(MONITOR)) t.skip(`${ADDON} or ${MONITOR} is not built: npm run build`);
  const made = new Place();
  t.cleanup(() => rmSync(made.directory, { recursive: true, force: true }));
  return made;
}

test(
  "over TLS it enrols and connects with the right CA only, says what is wrong with another, and keeps its credentials to itself",
  async (t) => {
    const p = place(t);
    const fleet = await p.fleet(t, p.authority.issue("server", "DNS:localhost,IP:127.0.0.1"));
    const other = new Authority(p.directory, "other");
    const controller = [`controller-url = ${fleet.endpoints.api}`, `enroll-token = ${await fleet.enrolmentToken()}`, "device = gate-7"];
    const advice = "\\(ca-file must hold the CA that has signed this server's certificate\\)";
    const stranger = p.agent(t, [...controller, `ca-file = ${other.file}`]);
    await p.says(new RegExp(`can't reach https://\\S+/v1/enroll: .*certificate.*${advice}`));
    assert.is(await end(stranger), 0);
    assert.is(existsSync(join(p.directory, "root/agent/credentials.json")), false);

    const enrolled = p.agent(t, [...controller, `ca-file = ${p.authority.file}`]);
    await p.connected();
    assert.is(await end(enrolled), 0);
    assert.is(statSync(join(p.directory, "root/agent/credentials.json")).mode & 0o777, 0o600);

    p.output = "";
    p.agent(t, [`ca-file = ${other.file}`]);
    await p.says(new RegExp(`offline: can't connect to mqtts://\\S+: .*certificate.*${advice}`));
    assert.is((await agentStatus(join(p.directory, "run")))?.connected, false);
  },
  LIMIT,
);

test(
  "tls-pin goes for the certificate instead of its name, and another one is refused with both fingerprints",
  async (t) => {
    const p = place(t);
    const server = p.authority.issue("server", "DNS:localhost,IP:127.0.0.1");
    const named = p.authority.issue("named", "DNS:elsewhere.example");
    const fleet = await p.fleet(t, server);
    const token = await fleet.enrolmentToken();
    const lines = [`ca-file = ${p.authority.file}`, `controller-url = ${fleet.endpoints.api}`, `enroll-token = ${token}`];
    const wrong = p.agent(t, [...lines, `tls-pin = ${named.pin}`]);
    await p.says(new RegExp(`fingerprint is ${server.pin.slice(7)}, and tls-pin is ${named.pin.slice(7)}`));
    assert.is(await end(wrong), 0);
    p.agent(t, [...lines, `tls-pin = ${server.pin}`]);
    await p.connected();
  },
  LIMIT,
);

test(
  "a file that the configuration names and that is not there is said with its key",
  async (t) => {
    const p = place(t);
    const child = p.agent(t, ["ca-file = /nowhere/ca.pem"]);
    assert.is(await new Promise((resolve) => child.once("exit", resolve)), 2);
    assert.match(p.output, /^lightvd: LV_CONFIG: can't read \/nowhere\/ca\.pem: ENOENT.* \(check ca-file\)\n$/);
    p.agent(t, ["controller-url = https://localhost:1", "enroll-token-file = /nowhere/token"]);
    await p.says(/can't read \/nowhere\/token: ENOENT.* \(check enroll-token-file\)/);
  },
  LIMIT,
);

test(
  "tells the service manager that it is ready, that it lives, and that it stops",
  async (t) => {
    const p = place(t);
    const socket = join(p.directory, "notify");
    // perl is part of every Debian, and Node knows no datagram sockets of this kind.
    const listen = 'socket(S,PF_UNIX,SOCK_DGRAM,0);bind(S,sockaddr_un($ARGV[0]))or die;$|=1;print "$b\\n" while defined recv(S,$b,4096,0)';
    const listener = spawn("perl", ["-MSocket", "-e", listen, socket], { stdio: ["ignore", "pipe", "inherit"] });
    t.cleanup(() => end(listener));
    const told: string[] = [];
    listener.stdout.setEncoding("utf8").on("data", (text: string) => told.push(...text.trim().split("\n")));
    await until("the socket", () => (existsSync(socket) ? true : undefined));
    const child = p.agent(t, [], { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "200000" });
    const beats = (): number => told.filter((text) => text === "WATCHDOG=1").length;
    await until(
      "a few beats",
      () => (beats() >= 3 ? true : undefined),
      20_000,
      () => `${told.join(" ")}\n${p.output}`,
    );
    assert.is(told[0], "READY=1");
    assert.is(await end(child), 0);
    await until(
      "the end",
      () => (told.at(-1) === "STOPPING=1" ? true : undefined),
      5_000,
      () => told.join(" "),
    );
    assert.equal([...new Set(told)], ["READY=1", "WATCHDOG=1", "STOPPING=1"]);
  },
  LIMIT,
);
