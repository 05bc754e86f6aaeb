/** A small server in a sandbox, and how fast it answers: the one who suffers when a hog beside it is not held. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Box, run } from "./command.ts";

/** Answer times of one window, in microseconds. */
export interface Window {
  readonly p50: number;
  readonly p99: number;
  /** Of all processors, meanwhile: the share that somebody used, the machine's host and its other guests with it (proc(5), "stat"). */
  readonly busy: number;
}

export class Neighbour {
  readonly #box: Box;
  readonly #hog: string;
  readonly #directory: string;

  /** Starts it in a sandbox as it is by default; `directory` is bound for its socket. */
  static async start(box: Box, hog: string, image: string, directory: string): Promise<Neighbour> {
    await box.ok("run", "-d", "--name", "neighbour", "-v", `${directory}:/srv`, image, "/bin/hog", "serve", "/srv/socket", "/file");
    const neighbour = new Neighbour(box, hog, directory);
    for (let tries = 0; ; tries++) {
      const { code, stderr } = await neighbour.#ask(1, 0);
      if (code === 0) return neighbour;
      if (tries > 100) throw new Error(`the neighbour does not answer: ${stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  private constructor(box: Box, hog: string, directory: string) {
    this.#box = box;
    this.#hog = hog;
    this.#directory = directory;
  }

  /** Throws when it can't do its work: each answer tells of a write. */
  async window(count = 250, pauseUs = 1000): Promise<Window> {
    const before = processors();
    const { code, stdout, stderr } = await this.#ask(count, pauseUs);
    const after = processors();
    if (code !== 0) throw new Error(`the neighbour fails: ${stderr}${await this.#box.ok("logs", "neighbour")}`);
    const times = stdout
      .trim()
      .split("\n")
      .map(Number)
      .sort((a, b) => a - b);
    const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
    return { p50: at(0.5), p99: at(0.99), busy: (after.used - before.used) / Math.max(1, after.all - before.all) };
  }

  #ask(count: number, pauseUs: number) {
    return run(this.#hog, ["ask", join(this.#directory, "socket"), String(count), String(pauseUs)]);
  }
}

function processors(): { used: number; all: number } {
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupt = 0, soft = 0, stolen = 0] = (
    readFileSync("/proc/stat", "utf8").split("\n")[0] ?? ""
  )
    .split(/ +/)
    .slice(1)
    .map(Number);
  const used = user + nice + system + interrupt + soft + stolen;
  return { used, all: used + idle + waiting };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
