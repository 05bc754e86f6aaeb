/**
 * Reads a sandbox's log (docs/sandbox.md): `TIME STREAM P|F TEXT` a line, rotated to log.1, log.2 and so on. Lines are numbered from the
 * oldest one that is still there plus what rotation has dropped, if that is known.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { errnoOf } from "./errors.ts";

export interface LogLine {
  readonly seq: number;
  readonly stream: "stdout" | "stderr";
  readonly at: string;
  readonly text: string;
  /** The writer split a long line here: the next one goes on with it. */
  readonly partial: boolean;
}

/** One line of the file, or undefined when it is not in the CRI form (a torn last line). */
export function parseCriLine(line: string, seq: number): LogLine | undefined {
  const match = /^(\S+) (stdout|stderr) ([PF])(?::\S*)? ?([\s\S]*)$/.exec(line);
  if (match === null) return undefined;
  return { seq, at: match[1] ?? "", stream: match[2] === "stderr" ? "stderr" : "stdout", partial: match[3] === "P", text: match[4] ?? "" };
}

/** The files of a log, oldest first. `path` is the newest one. */
export async function logFiles(path: string): Promise<string[]> {
  const files: string[] = [];
  for (let n = 0; ; n++) {
    const file = n === 0 ? path : `${path}.${n}`;
    try {
      await stat(file);
      files.unshift(file);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      if (n > 0) return files;
    }
  }
}

/** The lines of all files in order, numbered from `first`. */
export async function* readLog(path: string, first = 0, signal?: AbortSignal): AsyncGenerator<LogLine> {
  let seq = first;
  for (const file of await logFiles(path)) {
    const input = createReadStream(file, { encoding: "utf8", highWaterMark: 16_384, ...(signal === undefined ? {} : { signal }) });
    try {
      for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        const line = parseCriLine(text, seq);
        if (line === undefined) continue;
        seq++;
        yield line;
      }
    } catch (error) {
      // Rotated away between our look at the directory and now.
      if (errnoOf(error) !== "ENOENT") throw error;
    } finally {
      input.destroy();
    }
  }
}

/** The last `count` lines. */
export async function tailLog(path: string, count: number, signal?: AbortSignal): Promise<LogLine[]> {
  const kept: LogLine[] = [];
  for await (const line of readLog(path, 0, signal)) {
    kept.push(line);
    if (kept.length > count) kept.shift();
  }
  return kept;
}

export interface LogFollower {
  /** The whole lines that were written since the last call, across a rotation; their `seq` is 0: number them from what you have. */
  read(): Promise<LogLine[]>;
  close(): Promise<void>;
}

/** From the end of the log as it is now. */
export async function followLog(path: string): Promise<LogFollower> {
  let file = await openIfExists(path);
  let offset = file === undefined ? 0 : (await file.stat()).size;
  let rest = "";
  const drain = async (): Promise<LogLine[]> => {
    if (file === undefined) return [];
    const buffer = Buffer.alloc(16_384);
    let text = rest;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0) break;
      offset += bytesRead;
      text += buffer.toString("latin1", 0, bytesRead);
    }
    const lines = text.split("\n");
    rest = lines.pop() ?? "";
    // Latin-1 until lines are whole: a character may lie across two reads.
    return lines.map((line) => parseCriLine(Buffer.from(line, "latin1").toString("utf8"), 0)).filter((line) => line !== undefined);
  };
  return {
    read: async () => {
      const lines = await drain();
      const newest = await openIfExists(path);
      if (newest === undefined || (file !== undefined && (await newest.stat()).ino === (await file.stat()).ino)) {
        await newest?.close();
        return lines;
      }
      // Rotated: what was written to the old file before that, then the new one from its start.
      lines.push(...(await drain()));
      await file?.close();
      [file, offset, rest] = [newest, 0, ""];
      return [...lines, ...(await drain())];
    },
    close: async () => file?.close(),
  };
}

async function openIfExists(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
