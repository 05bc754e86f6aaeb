/** Who takes part in a race of whole commands, and who does not, and why. */
import { type Arena, isMissing, type Missing } from "../arena/arena.ts";
import { type Engine, HELLO, runCommand } from "../arena/engine.ts";

export interface Contestant {
  readonly name: string;
  readonly own: boolean;
  readonly command: readonly string[];
}

/** `run` of an engine with the static hello. */
export function ofEngine(engine: Engine | Missing, label = engine.name): Contestant | Missing {
  if (isMissing(engine)) return { ...engine, name: label };
  return { name: label, own: engine.own, command: runCommand(engine, { image: HELLO }) };
}

export interface Field {
  readonly runners: readonly Contestant[];
  /** A line for each who is missing. */
  readonly missing: readonly string[];
}

/** Runs each once, and keeps those who get through: nobody is timed in failing. */
export async function tried(arena: Arena, all: readonly (Contestant | Missing)[]): Promise<Field> {
  const runners: Contestant[] = [];
  const missing: string[] = [];
  for (const one of all) {
    if ("missing" in one) {
      missing.push(`${one.name}: ${one.missing}`);
      continue;
    }
    const { code, stderr } = await arena.commands.run(await absolute(arena, one.command), { timeoutMs: 60_000 });
    if (code === 0) runners.push({ ...one, command: await absolute(arena, one.command) });
    else missing.push(`${one.name}: does not run here: ${stderr.trim().split("\n").at(-1)}`);
  }
  return { runners, missing };
}

/** With the program's path: the timer looks nothing up. */
export async function absolute(arena: Arena, command: readonly string[]): Promise<string[]> {
  const [program = "", ...args] = command;
  return [program.startsWith("/") ? program : ((await arena.which(program)) ?? program), ...args];
}
