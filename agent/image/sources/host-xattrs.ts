/**
 * Extended attributes of the host's files. Node has no getxattr(2), so they come from getfattr(1) of Debian's package attr, where that
 * is installed; without it a directory is imported without them (a tar of it carries them as well).
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { errnoOf, LightvError } from "#agent/lib/errors.ts";
import { isKept } from "../xattrs.ts";

/** Path below the directory, one character a byte ("." for itself), to attributes. */
export type Xattrs = ReadonlyMap<string, ReadonlyMap<string, Buffer>>;

export async function readXattrs(directory: string, signal?: AbortSignal): Promise<Xattrs> {
  const found = new Map<string, Map<string, Buffer>>();
  const child = spawn("getfattr", ["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "."], {
    cwd: directory,
    stdio: ["ignore", "pipe", "ignore"],
    ...(signal === undefined ? {} : { signal }),
  });
  const ended = new Promise<unknown>((resolve) => {
    child.once("error", resolve);
    child.once("close", () => resolve(undefined));
  });
  let current: Map<string, Buffer> | undefined;
  child.stdout.setEncoding("latin1");
  for await (const line of createInterface({ input: child.stdout })) {
    const file = /^# file: (.*)$/.exec(line)?.[1];
    if (file !== undefined) {
      current = new Map();
      found.set(unescapeOctal(file).replace(/^\.\//, ""), current);
    }
    const value = /^([^=]+)=0x([0-9a-f]*)$/i.exec(line);
    if (value !== null && isKept(value[1] ?? "")) current?.set(value[1] ?? "", Buffer.from(value[2] ?? "", "hex"));
  }
  const error = await ended;
  signal?.throwIfAborted();
  if (error !== undefined && errnoOf(error) !== "ENOENT")
    throw new LightvError("LV_INTERNAL", `can't run getfattr on ${directory}`, { hint: "check the package attr", cause: error });
  return found;
}

/** getfattr writes bytes that would break its lines as \ooo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
