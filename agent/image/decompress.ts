/** What a stream is packed with shows in its first bytes, whatever its name or media type says. */
import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { errnoOf, LightvError, messageOf } from "#agent/lib/errors.ts";
import { ByteReader } from "./bytes.ts";

type Packing = "plain" | "gzip" | "zstd" | "xz" | "bzip2";

const MAGICS: readonly (readonly [Packing, Buffer])[] = [
  ["gzip", Buffer.from([0x1f, 0x8b])],
  ["zstd", Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ["xz", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
  ["bzip2", Buffer.from("BZh")],
];
/** zstd's skippable frames, which estargz-like tools and pzstd put first (RFC 8878, 3.1.2). */
const SKIPPABLE = Buffer.from([0x2a, 0x4d, 0x18]);

export function packingOf(head: Buffer): Packing {
  if (head.subarray(1, 4).equals(SKIPPABLE) && ((head[0] ?? 0) & 0xf0) === 0x50) return "zstd";
  return MAGICS.find(([, magic]) => head.subarray(0, magic.length).equals(magic))?.[0] ?? "plain";
}

export interface Unpacked {
  readonly packing: Packing;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** `what` names the stream in errors. Errors of the packing (truncated, wrong checksum) are thrown by the bytes, as LV_USAGE. */
export async function unpack(source: AsyncIterable<Uint8Array>, what: string): Promise<Unpacked> {
  const reader = new ByteReader(source);
  const head = await reader.exactly(6);
  reader.unread(head);
  const packing = packingOf(head);
  if (packing === "plain") return { packing, bytes: reader.all() };
  if (packing === "bzip2") return { packing, bytes: through(reader, "bzip2", what) };
  if (packing === "xz") return { packing, bytes: through(reader, "xz", what) };
  return { packing, bytes: inflate(reader, packing, what) };
}

async function* inflate(reader: ByteReader, packing: "gzip" | "zstd", what: string): AsyncGenerator<Uint8Array> {
  const input = Readable.from(reader.all(), { objectMode: false });
  const output = packing === "gzip" ? createGunzip() : createZstdDecompress();
  // pipe() hands no errors on, and pipeline() would replace the input's own.
  let failure: unknown;
  input.on("error", (error) => {
    failure = error;
    output.destroy(error);
  });
  try {
    yield* input.pipe(output) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw failure ?? damaged(what, packing, error);
  } finally {
    input.destroy();
    output.destroy();
  }
}

/** Formats that Node does not know go through their program. */
async function* through(reader: ByteReader, program: "xz" | "bzip2", what: string): AsyncGenerator<Uint8Array> {
  const child = spawn(program, ["-dc"], { stdio: ["pipe", "pipe", "pipe"] });
  let [stderr, failure]: [string, unknown] = ["", undefined];
  child.stderr.on("data", (data: Buffer) => {
    stderr = (stderr + data.toString("utf8")).slice(-500);
  });
  const ended = new Promise<{ code: number | null; error?: unknown }>((resolve) => {
    child.once("error", (error) => resolve({ code: null, error }));
    child.once("close", (code) => resolve({ code }));
  });
  const input = Readable.from(reader.all(), { objectMode: false });
  input.on("error", (error) => {
    failure = error;
    child.kill();
  });
  // When the program ends first, its exit code tells why; writing to it then fails with EPIPE.
  child.stdin.on("error", () => input.destroy());
  input.pipe(child.stdin);
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    const { code, error } = await ended;
    if (failure !== undefined) throw failure;
    if (errnoOf(error) === "ENOENT")
      throw new LightvError("LV_USAGE", `${what} is packed with ${program}, and that program is not installed`, {
        hint: `install it (apt-get install ${program === "xz" ? "xz-utils" : program}), or pack the archive with gzip or zstd`,
      });
    if (code !== 0) throw damaged(what, program, new Error(stderr.trim() || `exit code ${code}`));
  } finally {
    input.destroy();
    child.kill();
  }
}

function damaged(what: string, packing: Packing, cause: unknown): LightvError {
  return new LightvError("LV_USAGE", `${what} can't be unpacked (${packing}): ${messageOf(cause)}`, {
    hint: "it is damaged or cut off: fetch or make it again",
    cause,
  });
}
