/** Inputs out of other inputs. All chance comes from one seed, so that a run can be made again. */

export type Chance = (below: number) => number;

/** Mulberry32: small, and good enough to choose with. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const EDGES = [
  "0",
  "-1",
  "4294967296",
  "9223372036854775807",
  "1e309",
  "null",
  "[]",
  "{}",
  '""',
  "true",
  "\\u0000",
  "__proto__",
  "constructor",
];

/** One to eight changes of `input`, which stays as it is; never longer than `maxBytes`. */
export function mutate(input: Buffer, others: readonly Buffer[], words: readonly string[], maxBytes: number, chance: Chance): Buffer {
  let bytes: Buffer = Buffer.from(input);
  for (let changes = 1 + chance(8); changes > 0; changes--) bytes = change(bytes, others, words, chance).subarray(0, maxBytes);
  return bytes;
}

function change(bytes: Buffer, others: readonly Buffer[], words: readonly string[], chance: Chance): Buffer {
  const at = chance(bytes.length + 1);
  const length = Math.min(1 + chance(1 << chance(12)), bytes.length - at);
  const put = (middle: Buffer, gone: number): Buffer => Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(at + gone)]);
  const pick = (from: readonly string[]): Buffer => Buffer.from(from[chance(from.length)] ?? "", "latin1");
  const part = (of: Buffer): Buffer => {
    const start = chance(of.length + 1);
    return of.subarray(start, start + 1 + chance(1024));
  };
  switch (chance(9)) {
    case 0:
      return put(Buffer.alloc(0), length);
    case 1:
      return put(Buffer.from([chance(256)]), 1);
    case 2:
      return put(Buffer.from([(bytes[at] ?? 0) ^ (1 << chance(8))]), 1);
    case 3:
      return put(bytes.subarray(at, at + length), 0);
    case 4:
      return put(part(others[chance(others.length)] ?? bytes), chance(2) * length);
    case 5:
      return put(pick(EDGES), chance(2) * length);
    case 6:
      return put(Buffer.alloc(1 + chance(64), chance(256)), chance(2) * length);
    case 7:
      return put(pick(["0", "00000000000", "77777777777", "\0", "\xff\xff\xff\xff", "\x80\0\0\0"]), length);
    default:
      return put(pick(words), chance(2) * length);
  }
}
