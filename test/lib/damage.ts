/** Damaged copies of an image file, one for each thing that happens to files on their way. */
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { HEADER_BYTES, parseHeader } from "#agent/image/header.ts";

export const DAMAGES = ["truncated", "oversized", "flipped header", "flipped manifest", "flipped chunk table", "flipped content"] as const;
export type Damage = (typeof DAMAGES)[number];

/** Damages that the file's head shows; `flipped content` is seen only by who reads all of it. */
export const HEAD_DAMAGES = DAMAGES.filter((damage) => damage !== "flipped content" && damage !== "flipped chunk table");

export function damage(path: string, how: Damage): void {
  const bytes = readFileSync(path);
  const header = parseHeader(bytes.subarray(0, HEADER_BYTES));
  const flip = (at: number): void => {
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at);
    writeFileSync(path, bytes);
  };
  if (how === "truncated") truncateSync(path, Math.floor(bytes.length / 2));
  else if (how === "oversized") truncateSync(path, statSync(path).size + 4096);
  else if (how === "flipped header") flip(40);
  else if (how === "flipped manifest") flip(header.manifest.offset);
  else if (how === "flipped chunk table") flip(header.chunks.offset + 20);
  // Within the last chunk: the busybox binary, not the directories that a mount needs.
  else flip(header.erofs.length - 100_000);
}
