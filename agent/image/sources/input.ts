/** An input of `lightv import`: a directory, a tar file, or a tar on standard input. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { isLightvError, LightvError, messageOf } from "#agent/lib/errors.ts";
import { unpack } from "../decompress.ts";
import type { Spool } from "../spool.ts";
import type { Tree } from "../tree.ts";
import { addDirectory } from "./directory.ts";
import { addTar } from "./layer.ts";
import type { SourceOptions } from "./options.ts";

export interface InputOptions extends SourceOptions {
  readonly spool: Spool;
  /** What `-` stands for. */
  readonly stdin: AsyncIterable<Uint8Array>;
}

/** Throws LV_NOT_FOUND, LV_USAGE, LV_DISK_FULL. */
export async function addInput(tree: Tree, input: string, options: InputOptions): Promise<void> {
  if (input === "-") return addArchive(tree, options.stdin, "standard input", undefined, options);
  const stats = await stat(input).catch((error: unknown) => {
    throw new LightvError("LV_NOT_FOUND", `can't read ${input}: ${messageOf(error)}`, {
      hint: "name a directory, a tar file, or - for standard input",
    });
  });
  if (stats.isDirectory()) return addDirectory(tree, input, options);
  return addArchive(tree, createReadStream(input, { highWaterMark: 1 << 18 }), input, stats.isFile() ? input : undefined, options);
}

async function addArchive(
  tree: Tree,
  source: AsyncIterable<Uint8Array>,
  what: string,
  file: string | undefined,
  { spool, signal, warn }: InputOptions,
): Promise<void> {
  const { packing, bytes } = await unpack(source, what);
  const direct = packing === "plain" && file !== undefined ? { direct: file } : {};
  try {
    await addTar(tree, bytes, { spool, warn, whiteouts: false, needEnd: true, ...(signal === undefined ? {} : { signal }), ...direct });
  } catch (error) {
    throw isLightvError(error, "LV_USAGE") && !error.message.includes(what) ? named(error, what) : error;
  }
}

/** The reader of the archive does not know what the archive is called. */
function named(error: LightvError, what: string): LightvError {
  return new LightvError(error.code, `${what}: ${error.message}`, {
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
