/** What goes over the network: the head, then the chunks that are missing, each checked before it counts. */
import type { FileHandle } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { HEADER_BYTES, type Header, MAX_CHUNK_BYTES, parseHeader } from "#agent/image/header.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import { openRange, type RangeAnswer, type RangeRequest, Transient } from "./http.ts";
import { checkHead, type Head, type Partial, readOwnHead, writeFully } from "./partial.ts";

export type Source = Omit<RangeRequest, "start" | "end">;

/** A manifest of a MiB, and chunk tables of an image of a terabyte. */
const MAX_HEAD_BYTES = 1024 * 1024 * 1024;

/**
 * Fetches header, manifest and chunk table and checks them. A server without ranges sends the whole file instead, which then lies in
 * `file`. `size` is what the file must have; `room` is asked before more than the head is written. Throws as openRange does.
 */
export async function fetchHead(
  source: Source,
  digest: string,
  size: number | undefined,
  file: FileHandle,
  room: (bytes: number) => Promise<void>,
): Promise<Head> {
  const answer = await openRange({ ...source, start: 0, end: HEADER_BYTES - 1 });
  if (!answer.partial) return fetchWhole(answer, source, digest, size, file, room);
  const header = parseHeader(await readBody(answer, HEADER_BYTES, source));
  checkSize(header, size);
  const start = Math.min(header.manifest.offset, header.chunks.offset);
  const end = Math.max(header.manifest.offset + header.manifest.length, header.chunks.offset + header.chunks.length);
  if (end - start > MAX_HEAD_BYTES) throw lie("its manifest and chunk table lie too far apart");
  await room(header.fileSize);
  const bytes = await readRange(source, start, end);
  const cut = ({ offset, length }: { offset: number; length: number }): Buffer => bytes.subarray(offset - start, offset - start + length);
  return checkHead(digest, header, cut(header.manifest), Buffer.from(cut(header.chunks)));
}

async function fetchWhole(
  answer: RangeAnswer,
  source: Source,
  digest: string,
  size: number | undefined,
  file: FileHandle,
  room: (bytes: number) => Promise<void>,
): Promise<Head> {
  let header: Header | undefined;
  let first = Buffer.alloc(0);
  let at = 0;
  for await (const bytes of bodyOf(answer.body, source)) {
    if (header === undefined) {
      first = Buffer.concat([first, bytes]);
      if (first.length < HEADER_BYTES) continue;
      header = parseHeader(first);
      checkSize(header, size);
      await room(header.fileSize);
    }
    const piece = at === 0 ? first : bytes;
    if (at + piece.length > header.fileSize) throw stop(answer.body, lie(`it sends more than the ${header.fileSize} bytes of the image`));
    await writeFully(file, piece, at);
    at += piece.length;
  }
  if (header === undefined || at < header.fileSize) throw new Transient(`the body ended after ${Math.max(at, first.length)} bytes`);
  const head = await readOwnHead(file, digest);
  if (head === undefined)
    throw new LightvError("LV_IMAGE_DIGEST", `what the server sends is not the image ${digest}`, {
      hint: "check the server, and the digest in the desired state",
    });
  return head;
}

function checkSize({ fileSize }: Header, size: number | undefined): void {
  if (size === undefined || size === fileSize) return;
  throw new LightvError("LV_IMAGE_DIGEST", `the server's file has ${fileSize} bytes, the desired state says ${size}`, {
    hint: "check the server, and the size in the desired state",
  });
}

/** Fetches chunks `from` to `to` (included), in one request. `onBytes` is told of each that is in place. */
export async function fetchChunks(
  source: Source,
  partial: Partial,
  from: number,
  to: number,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { table } = partial.head;
  const end = table.offset(to) + table.length(to);
  const answer = await openRange({ ...source, start: table.offset(from), end: end - 1 });
  let index = answer.partial ? from : 0;
  // A server that has forgotten ranges begins at the header, which no chunk covers.
  let skip = answer.partial ? 0 : HEADER_BYTES;
  const buffer = Buffer.allocUnsafe(MAX_CHUNK_BYTES);
  let filled = 0;
  for await (const bytes of bodyOf(answer.body, source)) {
    for (let at = 0; at < bytes.length; ) {
      if (skip > 0) {
        const step = Math.min(skip, bytes.length - at);
        skip -= step;
        at += step;
        continue;
      }
      if (index > to) {
        if (answer.partial) throw stop(answer.body, lie("it sends more than it was asked for"));
        answer.body.destroy();
        return;
      }
      const taken = Math.min(table.length(index) - filled, bytes.length - at);
      bytes.copy(buffer, filled, at, at + taken);
      filled += taken;
      at += taken;
      if (filled < table.length(index)) continue;
      await accept(partial, index, buffer.subarray(0, filled), answer.body, onBytes);
      index++;
      filled = 0;
    }
  }
  if (index <= to) throw new Transient(`the body ended ${end - (index < table.count ? table.offset(index) : end) - filled} bytes early`);
}

async function accept(
  partial: Partial,
  index: number,
  bytes: Buffer,
  body: IncomingMessage,
  onBytes: (bytes: number) => void,
): Promise<void> {
  if (partial.has(index)) return;
  if (!partial.matches(index, bytes))
    throw stop(
      body,
      new LightvError("LV_IMAGE_DIGEST", `chunk ${index} (byte ${partial.head.table.offset(index)}) is not what the image's digest says`, {
        hint: "the server's file is damaged: push the image again",
      }),
    );
  await partial.put(index, bytes);
  onBytes(bytes.length);
}

async function readRange(source: Source, start: number, end: number): Promise<Buffer> {
  const answer = await openRange({ ...source, start, end: end - 1 });
  if (!answer.partial) throw stop(answer.body, new Transient("the server did ranges, and now does not"));
  return readBody(answer, end - start, source);
}

async function readBody({ body }: RangeAnswer, length: number, source: Source): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let have = 0;
  for await (const bytes of bodyOf(body, source)) {
    have += bytes.length;
    if (have > length) throw stop(body, lie("it sends more than it was asked for"));
    pieces.push(bytes);
  }
  if (have < length) throw new Transient(`the body ended after ${have} of ${length} bytes`);
  return Buffer.concat(pieces);
}

/** Errors of the connection become Transient; those of who reads it stay what they are. */
async function* bodyOf(body: IncomingMessage, { signal }: Source): AsyncGenerator<Buffer> {
  const reader = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await reader.next().catch((error: unknown) => {
        throw signal.aborted ? signal.reason : new Transient(`the connection was cut: ${messageOf(error)}`);
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    body.destroy();
  }
}

function stop<T>(body: IncomingMessage, error: T): T {
  body.destroy();
  return error;
}

function lie(what: string): LightvError {
  return new LightvError("LV_FETCH", `the server does not keep to HTTP: ${what}`, { hint: "serve the image by another server" });
}
