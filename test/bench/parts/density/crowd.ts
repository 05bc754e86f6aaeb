/** Starts idle sandboxes step by step and looks at the memory after each. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import type { Arena } from "../../arena/arena.ts";
import { BENCH, type Engine, HELLO, removeCommand, runCommand } from "../../arena/engine.ts";
import { absolute } from "../../contestants/contestant.ts";
import { dropPageCache, type Memory, memoryOfAll, processes, settledAvailable, withDescendants } from "../../measure/memory.ts";
import type { PartContext } from "../../part.ts";

export interface Limits {
  readonly steps: readonly number[];
  /** After the steps so many more each time, as long as memory and time allow; 0: no more. */
  readonly thenBy: number;
  readonly most: number;
  /** For what comes after the steps. */
  readonly seconds: number;
  /** Whether each sandbox is asked to run a program when all of the steps are there. */
  readonly ask: boolean;
}

export interface Level {
  readonly count: number;
  /** Bytes by which MemAvailable fell. */
  readonly used: number;
  /** Sum of the sandboxes' processes. */
  readonly processes: Memory;
}

export interface Crowd {
  readonly engine: Engine;
  readonly levels: readonly Level[];
  /** Milliseconds of each start, in their order. */
  readonly times: readonly number[];
  readonly failures: number;
  /** Sandboxes that did not run a program when asked. */
  readonly unanswered: number;
  /** Why there are no more. */
  readonly stopped: string;
  /** By how many bytes MemAvailable is other than before when all are gone: what others did meanwhile, and what the kernel has yet to free. */
  readonly drift: number;
}

/** Between two starts. */
export const START_PAUSE_MS = 10;

const nameOf = (index: number): string => `${BENCH}idle-${index}`;

export async function fill(context: PartContext, engine: Engine, limits: Limits): Promise<Crowd> {
  const { arena, signal, say } = context;
  const others = new Set(pidsOf(arena, engine));
  dropPageCache();
  const before = await settledAvailable(signal);
  const [levels, times]: [Level[], number[]] = [[], []];
  let [count, failures, unanswered, stopped] = [0, 0, 0, "that was asked for"];
  const grow = async (to: number): Promise<void> => {
    const output = await startIdle(arena, engine, count, to);
    for (const { ms, ok } of output) ok ? times.push(ms) : failures++;
    count = to;
    const used = before - (await settledAvailable(signal));
    levels.push({ count: count - failures, used, processes: memoryOfAll(pidsOf(arena, engine).filter((pid) => !others.has(pid))) });
    say(`${engine.name}: ${count} sandboxes`);
  };
  try {
    for (const to of limits.steps) if (failures === 0) await grow(to);
    if (limits.ask) unanswered = await countUnanswered(arena, engine, count);
    const end = performance.now() + limits.seconds * 1000;
    while (limits.thenBy > 0 && stopped === "that was asked for") {
      const why = noMore(failures, count, limits.most, levels.at(-1)?.used ?? 0, before, limits.thenBy, performance.now() > end);
      if (why === undefined) await grow(count + limits.thenBy);
      else stopped = why;
    }
  } finally {
    await removeIdle(arena, engine, count);
  }
  const drift = (await settledAvailable(signal)) - before;
  return { engine, levels, times, failures, unanswered, stopped, drift };
}

/** Why not to start `more`, or undefined: judged before, because a machine out of memory tells nobody. */
export function noMore(
  failures: number,
  count: number,
  most: number,
  used: number,
  available: number,
  more: number,
  late: boolean,
  total = totalmem(),
): string | undefined {
  if (failures > 0) return "a start failed";
  if (count + more > most) return `${most} is enough`;
  if (available - used - (used / count) * more < total / 8) return "memory";
  return late ? "time" : undefined;
}

async function startIdle(arena: Arena, engine: Engine, from: number, to: number): Promise<{ ms: number; ok: boolean }[]> {
  const commands: string[] = [];
  for (let i = from; i < to; i++) {
    const command = runCommand(engine, { image: HELLO, name: nameOf(i), command: ["/idle"] });
    commands.push((await absolute(arena, i === from ? command : [commands[0]?.split("\t")[0] ?? "", ...command.slice(1)])).join("\t"));
  }
  const order = commands.map((_, i) => i).join("\n");
  const output = await arena.native("timer", [START_PAUSE_MS], `${commands.join("\n")}\n\n${order}\n`);
  return output
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number))
    .map(([, nanoseconds = 0, code]) => ({ ms: nanoseconds / 1e6, ok: code === 0 }));
}

async function countUnanswered(arena: Arena, engine: Engine, count: number): Promise<number> {
  const [program = "", ...cli] = await absolute(arena, engine.cli);
  const commands = Array.from({ length: count }, (_, i) => [program, ...cli, "exec", nameOf(i), "/hello"].join("\t"));
  const order = commands.map((_, i) => i).join("\n");
  const output = await arena.native("timer", [0], `${commands.join("\n")}\n\n${order}\n`);
  const answered = output.split("\n").filter((line) => line.endsWith(" 0")).length;
  return count - answered;
}

async function removeIdle(arena: Arena, engine: Engine, count: number): Promise<void> {
  for (let i = 0; i < count; i += 100) {
    const names = Array.from({ length: Math.min(100, count - i) }, (_, k) => nameOf(i + k));
    await arena.commands.run(removeCommand(engine, names), { always: true, timeoutMs: 300_000 });
  }
}

/** Processes in the bench's cgroups, where LightV has all of its own; for Docker the shims of its containers, and what they started. */
function pidsOf(arena: Arena, engine: Engine): number[] {
  if (!engine.own) return withDescendants(processes((line) => /(^|\/)containerd-shim/.test(line)));
  return processes(() => true).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`${arena.cgroupParent}/`);
    } catch {
      return false;
    }
  });
}
