/** The words of a Dockerfile's line: white space between them, quotes and backslashes as there. Errors are plain: the caller names the line. */

/** Throws Error when a quote does not end. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const c = text[at] ?? "";
    if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= "";
    if (c === "\\" && at + 1 < text.length) word += text[++at];
    else if (c === "'" || c === '"') {
      const { value, end } = quoted(text, at, c);
      word += value;
      at = end;
    } else word += c;
  }
  return word === undefined ? words : [...words, word];
}

/** From the quote at `start` to its partner at `end`. Only double quotes know the backslash. */
function quoted(text: string, start: number, quote: string): { value: string; end: number } {
  let value = "";
  for (let at = start + 1; at < text.length; at++) {
    const c = text[at] ?? "";
    if (c === quote) return { value, end: at };
    if (c === "\\" && quote === '"' && /["\\$]/.test(text[at + 1] ?? "")) value += text[++at];
    else value += c;
  }
  throw new Error(`a ${quote} has no partner`);
}

/** `a=1 b="2 3"`, or the old form `a 1 2 3` with one key. */
export function splitPairs(text: string): [string, string][] {
  const words = splitWords(text);
  const [first = ""] = words;
  if (!first.includes("=")) {
    const [, key = "", value = ""] = /^(\S+)\s+([\s\S]+)$/.exec(text) ?? [];
    if (key === "") throw new Error(`"${first}" needs a value: KEY=VALUE`);
    return [[key, value]];
  }
  return words.map((word) => {
    const at = word.indexOf("=");
    if (at <= 0) throw new Error(`"${word}" is not KEY=VALUE`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
}

const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Go's durations ("1m30s", "1.5s") in nanoseconds. Throws Error. */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) throw new Error(`"${text}" is no duration such as 30s or 1m30s`);
  let sum = 0;
  for (const [, number = "", unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) sum += Number(number) * (UNITS[unit] ?? 0);
  return Math.round(sum);
}
