/** CRC-32C (Castagnoli, RFC 3720 B.4): zlib.crc32 is another polynomial. */

function makeTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f6_3b78;
    table[byte] = crc;
  }
  return table;
}

const TABLE: Readonly<Int32Array> = makeTable();

/** The register without the final inversion, begun with all ones: what EROFS keeps in its superblock. */
export function crc32cRaw(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return crc >>> 0;
}

export function crc32c(bytes: Uint8Array): number {
  return ~crc32cRaw(bytes) >>> 0;
}
