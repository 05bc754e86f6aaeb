/** What the agent's store reads of a `.lv` file. The header's checksum is made right first, or no input would ever get behind it. */
import { crc32c } from "#agent/image/crc32c.ts";
import { HEADER_BYTES, parseHeader } from "#agent/image/header.ts";
import { ChunkTable, checkManifest } from "#agent/image/reader.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { type FuzzTarget, must } from "../lib/target.ts";

function run(bytes: Buffer): void {
  const file = Buffer.from(bytes);
  if (file.length >= HEADER_BYTES) file.writeUInt32LE(crc32c(file.subarray(0, HEADER_BYTES - 4)), HEADER_BYTES - 4);
  try {
    const header = parseHeader(file.subarray(0, HEADER_BYTES));
    for (const { offset, length } of [header.erofs, header.manifest, header.chunks])
      must(offset >= 0 && length >= 0 && offset + length <= header.fileSize, "a section lies in the file");
    const part = ({ offset, length }: { offset: number; length: number }): Buffer => file.subarray(offset, offset + length);
    const table = new ChunkTable(part(header.chunks), checkManifest(header, part(header.manifest)));
    for (let index = 0; index < table.count; index++)
      must(table.offset(index) + table.length(index) <= header.fileSize, "a chunk lies in the file");
  } catch (error) {
    if (!isLightvError(error, "LV_IMAGE_BROKEN") && !isLightvError(error, "LV_IMAGE_DIGEST")) throw error;
  }
}

export const target: FuzzTarget = {
  run,
  words: ['"chunks":{"count":', '"erofs":{"blockSize":4096', '"config":{'],
  covers: ["/agent/image/"],
  maxBytes: 65_536,
};
