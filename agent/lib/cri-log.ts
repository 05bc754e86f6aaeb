/**
 * Reads a sandbox's log (docs/sandbox.md): `TIME STREAM P|F TEXT` a line, rotated to log.1, log.2 and so on. Lines have the numbers of
 * `log/index`, so that a line's number stays the same whatever rotation has dropped before it.
 */
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readFileIfExists } from "./atomic-file.ts";
import { errnoOf } from "./errors.ts";

export interface LogLine {
  /** From 0 at the sandbox's first line. */
  readonly seq: number;
  readonly stream: "stdout" | "stderr";
  readonly at: string;
  readonly text: string;
  /** The writer split a long line here: the next one goes on with it. */
  readonly partial: boolean;
}

/** One line of the file, or undefined when it is not in the CRI form. */
export function parseCriLine(line: string, seq: number): LogLine | undefined {
  const match = /^(\S+) (stdout|stderr) ([PF])(?::\S*)? ?([\s\S]*)$/.exec(line);
  if (match === null) return undefined;
  return { seq, at: match[1] ?? "", stream: match[2] === "stderr" ? "stderr" : "stdout", partial: match[3] === "P", text: match[4] ?? "" };
}

/** First line by inode, from the text of `log/index`. Pure. */
export function parseLogIndex(text: string): Map<number, number> {
  const rows = text.split("\n").map((row) => /^(\d+) (\d+)$/.exec(row));
  return new Map(rows.filter((row) => row !== null).map(([, inode, first]) => [Number(inode), Number(first)]));
}

/** One file of the log. It stays the same one when rotation gives it another name. */
interface Part {
  readonly file: FileHandle;
  readonly inode: number;
  /** Undefined: the index has forgotten it, because it was rotated away while we looked. */
  readonly first: number | undefined;
}

const CHUNK_BYTES = 16_384;
/** A call gives so much and then returns, so that a log that grows faster than it is read can't fill the memory. */
const READ_BYTES = 1 << 20;

/** From the oldest line that is still there, and on over every rotation as long as it is open. */
export class LogReader {
  private readonly path: string;
  /** Oldest first; the reader stands in the first one. Those behind it exist, so the first one grows no more. */
  private readonly parts: Part[] = [];
  private offset = 0;
  private seq = 0;
  /** The beginning of a line, as Latin-1: a character may lie across two chunks. */
  private rest = "";

  /** `path`: the newest file. It need not exist yet. */
  constructor(path: string) {
    this.path = path;
  }

  /** The next whole lines, about a megabyte at most; none: that is all for now. */
  async read(): Promise<LogLine[]> {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const lines: LogLine[] = [];
    for (let total = 0; total < READ_BYTES || lines.length === 0; ) {
      const [part] = this.parts;
      const { bytesRead } = part === undefined ? { bytesRead: 0 } : await part.file.read(buffer, 0, buffer.length, this.offset);
      total += bytesRead;
      this.offset += bytesRead;
      if (bytesRead > 0) this.take(buffer.toString("latin1", 0, bytesRead), lines);
      else if (this.parts.length > 1) await this.advance();
      // What was written between our last look and the rotation is read before advance() leaves the file.
      else if (!(await this.find())) break;
    }
    return lines;
  }

  /** The last lines up to the end as it is now: at most `count`, and at most `maxBytes` of text. */
  async tail(count: number, maxBytes: number): Promise<LogLine[]> {
    let kept: LogLine[] = [];
    for (let lines = await this.read(); lines.length > 0; lines = await this.read()) {
      kept = [...kept, ...lines];
      let from = kept.length;
      for (let bytes = 0; from > 0 && kept.length - from < count; from--) {
        bytes += kept[from - 1]?.text.length ?? 0;
        if (bytes > maxBytes) break;
      }
      kept = kept.slice(from);
    }
    return kept;
  }

  async close(): Promise<void> {
    for (const { file } of this.parts.splice(0)) await file.close();
  }

  private take(text: string, lines: LogLine[]): void {
    const whole = (this.rest + text).split("\n");
    this.rest = whole.pop() ?? "";
    for (const latin of whole) {
      const line = parseCriLine(Buffer.from(latin, "latin1").toString("utf8"), this.seq++);
      if (line !== undefined) lines.push(line);
    }
  }

  private async advance(): Promise<void> {
    await this.parts.shift()?.file.close();
    this.enter();
  }

  private enter(): void {
    this.seq = this.parts[0]?.first ?? this.seq;
    [this.offset, this.rest] = [0, ""];
  }

  /** Opens the files that are newer than the last one we know; false: there are none. Newest first, so that none can slip through between two. */
  private async find(): Promise<boolean> {
    const last = this.parts.at(-1)?.inode;
    const found = new Map<number, FileHandle>();
    for (let n = 0; ; n++) {
      const file = await openIfExists(n === 0 ? this.path : `${this.path}.${n}`);
      if (file === undefined && n > 0) break;
      const inode = (await file?.stat())?.ino;
      const known = inode === undefined || inode === last || found.has(inode);
      if (file !== undefined && known) await file.close();
      if (inode !== undefined && inode === last) break;
      if (file !== undefined && inode !== undefined && !known) found.set(inode, file);
    }
    if (found.size === 0) return false;
    // A file has its row before it has its name: this is read after the files were opened.
    const index = parseLogIndex((await readFileIfExists(join(dirname(this.path), "index"))) ?? "");
    const parts = [...found].map(([inode, file]) => ({ inode, file, first: index.get(inode) })).reverse();
    this.parts.push(...parts);
    if (last === undefined) this.enter();
    return true;
  }
}

async function openIfExists(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
