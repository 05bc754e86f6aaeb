/** Real servers: from `run` to the first byte of an answer. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Arena, HOW_TO_INSTALL, isMissing, type Missing } from "../arena/arena.ts";
import { BENCH, type Engine, removeCommand, runCommand } from "../arena/engine.ts";
import { addDirectory, addProgram, plainTree } from "../arena/trees.ts";
import { absolute } from "../contestants/contestant.ts";
import { known, quotient } from "../measure/format.ts";
import { interleave } from "../measure/order.ts";
import { PAUSE_MS, timed } from "../measure/race.ts";
import type { Measured, Part, PartContext } from "../part.ts";
import { timesTable } from "./start.ts";

const SERVERS = `${BENCH}servers`;
const TIMEOUT_MS = 20_000;
const HTTP = "GET / HTTP/1.0\\r\\nHost: bench\\r\\n\\r\\n";

interface Server {
  readonly name: string;
  readonly program: string;
  readonly args: (socket: string, nginxConfiguration: string) => readonly string[];
  readonly request: string;
}

function nginxConfiguration(socket: string, pidFile: string): string {
  const server = `server { listen unix:${socket}; location / { return 200 hello; } }`;
  return `daemon off;\nuser root root;\npid ${pidFile};\nworker_processes 1;\nevents {}\nhttp { access_log off; ${server} }\n`;
}

function servers(nginx: string | undefined, redis: string | undefined): (Server | Missing)[] {
  const node = "/node";
  return [
    nginx === undefined
      ? { name: "nginx", missing: `not installed: ${HOW_TO_INSTALL.nginx}` }
      : {
          name: "nginx",
          program: nginx,
          request: HTTP,
          args: (_, configuration) => ["-e", "stderr", "-c", configuration],
        },
    redis === undefined
      ? { name: "redis-server", missing: `not installed: ${HOW_TO_INSTALL["redis-server"]}` }
      : {
          name: "redis-server",
          program: redis,
          request: "PING\\r\\n",
          args: (socket) => ["--port", "0", "--unixsocket", socket, "--save", "", "--daemonize", "no"],
        },
    {
      name: "node http",
      program: node,
      request: HTTP,
      args: (socket) => ["-e", `require("http").createServer((q,a)=>a.end("hello")).listen(${JSON.stringify(socket)})`],
    },
  ];
}

/** One image with all three, and its tree. */
async function makeTree(arena: Arena, nginx: string | undefined, redis: string | undefined): Promise<string> {
  const tree = plainTree(join(arena.directory, "servers"));
  writeFileSync(join(tree, "nginx.conf"), nginxConfiguration("/bench/s", "/tmp/nginx.pid"));
  if (nginx !== undefined) {
    await addProgram(arena.commands, tree, nginx);
    addDirectory(tree, "/usr/share/nginx/html"); // beside it Debian has links to modules that may not be installed
  }
  if (redis !== undefined) await addProgram(arena.commands, tree, redis);
  await addProgram(arena.commands, tree, join(arena.top, "dist/lib/lightv/node"), "/node");
  return tree;
}

interface Row {
  readonly name: string;
  readonly own: boolean;
  readonly start: readonly string[];
  readonly stop: readonly string[];
  readonly socket: string;
  readonly request: string;
}

async function rowsOf(arena: Arena, server: Server, engines: readonly Engine[], tree: string): Promise<Row[]> {
  const rows: Row[] = [];
  const folder = async (of: string): Promise<string> => {
    const path = join(arena.run, "served", `${rows.length}-${of.replaceAll(" ", "-")}`);
    await arena.commands.ok(["mkdir", "-p", path]);
    return path;
  };
  const bareFolder = await folder("none");
  const bareSocket = join(bareFolder, "s");
  const configuration = join(arena.directory, "nginx.conf");
  writeFileSync(configuration, nginxConfiguration(bareSocket, join(arena.directory, "nginx.pid")));
  const outside = server.program === "/node" ? join(tree, "node") : server.program;
  rows.push({
    name: "no sandbox",
    own: false,
    start: [outside, ...server.args(bareSocket, configuration)],
    stop: ["kill"],
    socket: bareSocket,
    request: server.request,
  });
  for (const engine of engines) {
    const host = await folder(engine.name);
    const name = `${BENCH}${server.name.replaceAll(" ", "-")}`;
    const command = [server.program, ...server.args("/bench/s", "/nginx.conf")];
    rows.push({
      name: engine.name,
      own: engine.own,
      start: await absolute(arena, runCommand(engine, { image: SERVERS, name, binds: [[host, "/bench"]], command })),
      stop: await absolute(arena, removeCommand(engine, [name])),
      socket: join(host, "s"),
      request: server.request,
    });
  }
  return rows;
}

async function measure(arena: Arena, rows: readonly Row[], rounds: number) {
  const lines = rows.flatMap(({ start, stop, socket, request }) => [
    start.join("\t"),
    stop.join("\t"),
    `socket\t${socket}`,
    `send\t${request}`,
  ]);
  const order = interleave(rows.map(() => rounds));
  const input = `${lines.join("\n")}\n\n${order.join("\n")}\n`;
  return timed(rows, await arena.native("first_byte", [PAUSE_MS, TIMEOUT_MS], input));
}

async function run({ arena, quick, say }: PartContext): Promise<Measured> {
  const [nginx, redis] = [await arena.which("nginx"), await arena.which("redis-server")];
  say("preparing the servers' image");
  const tree = await makeTree(arena, nginx, redis);
  const all = [await arena.lightvHot(), await arena.lightvCold(), await arena.docker()];
  const notes = all.filter(isMissing).map(({ name, missing }) => `${name}: ${missing}`);
  const engines = all.filter((engine): engine is Engine => !isMissing(engine));
  for (const engine of engines) await engine.addImage({ name: SERVERS, tree, command: ["/node"] });
  const tables = [];
  const bars = [];
  const figures: Record<string, number | undefined> = {};
  for (const server of servers(nginx, redis)) {
    if ("missing" in server) {
      notes.push(`${server.name}: ${server.missing}`);
      continue;
    }
    say(server.name);
    const rows = await measure(arena, await rowsOf(arena, server, engines, tree), quick ? 3 : 20);
    tables.push(timesTable(`${server.name}, ms`, rows));
    bars.push(...rows.map(({ name, time, own }) => ({ label: `${server.name}, ${name}`, value: time.median, own })));
    const median = (name: string): number | undefined => rows.find((row) => row.name === name)?.time.median;
    const key = server.name.split(/\W/)[0] ?? "";
    figures[`${key}DockerToHot`] = quotient(median("docker"), median("lightv hot"));
    figures[`${key}DockerToCold`] = quotient(median("docker"), median("lightv cold"));
  }
  return {
    about: `From the start of \`run -d\` to the first byte of an answer, asked for every 0.2 ms. All listen on a Unix socket in a bind-mounted directory and have no network:
LightV has no bridge yet, and this way nobody pays for one. Stopping the server is not part of the time.`,
    tables,
    plots: [{ kind: "bars", name: "first-byte", title: "From run to the first byte of an answer, median", unit: "ms", bars }],
    figures: known(figures),
    notes,
  };
}

export const firstByte: Part = { name: "first-byte", title: "First byte of real servers", run };
