/** Manual pages out of what the programs and the configuration files say themselves, so that the two can't differ. Pure. */

export interface Page {
  readonly name: string;
  readonly section: number;
  /** After the dash in NAME: what `whatis` shows. */
  readonly summary: string;
  /** Lines of roff. */
  readonly body: readonly string[];
  readonly version: string;
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly seeAlso: readonly string[];
}

export function renderPage({ name, section, summary, body, version, date, seeAlso }: Page): string {
  const also = seeAlso.map((other) => `.BR ${other.replace(/\((\d)\)$/, " ($1)")}`).join(" ,\n");
  const head = [`.TH ${name.toUpperCase()} ${section} ${date} "LightV ${version}" LightV`, ".SH NAME", `${name} \\- ${roffText(summary)}`];
  return `${[...head, ...body, ".SH SEE ALSO", also].join("\n")}\n`;
}

export function roffText(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}

/**
 * The output of --help: "Usage:" lines, "Title:" lines, two columns with continuations below the right one, indented examples, and
 * paragraphs. `level` is the macro of titles.
 */
export function helpToRoff(help: string, level: ".SH" | ".SS"): string[] {
  const lines: string[] = [];
  let column = -1;
  let example = false;
  const leave = (): void => {
    if (example) lines.push(".fi");
    example = false;
  };
  for (const line of help.trimEnd().split("\n")) {
    const row = /^( {2,6}(?=[^ ])(?:[^ ]| (?! ))+)( {2,})(.*)$/.exec(line);
    const indent = /^ */.exec(line)?.[0].length ?? 0;
    if (column >= 0 && indent === column && line.trim() !== "") {
      lines.push(roffText(line.trim()));
      continue;
    }
    if (row !== null) {
      const [, left = "", gap = "", right = ""] = row;
      leave();
      column = left.length + gap.length;
      lines.push(".TP", `.B ${roffText(left.trim())}`, roffText(right));
      continue;
    }
    if (indent < 2) column = -1;
    if (line.trim() === "") {
      leave();
      continue;
    }
    if (indent >= 4 && column < 0) {
      if (!example) lines.push(".PP", ".nf");
      example = true;
      lines.push(roffText(line));
      continue;
    }
    leave();
    if (indent >= 2) lines.push(".TP", `.B ${roffText(line.trim())}`);
    else if (/^usage:/i.test(line)) lines.push(".PP", `.B ${roffText(line.replace(/^usage: */i, ""))}`);
    else if (/^[A-Z][^.]*:$/.test(line)) lines.push(`${level} ${roffText(line.replace(/:$/, ""))}`);
    else lines.push(".PP", roffText(line));
  }
  leave();
  return lines;
}

/** A configuration file that documents itself: comments above "key = value" lines, "---- group ----" between them. */
export function confToRoff(conf: string): string[] {
  const lines: string[] = [".SH DESCRIPTION"];
  let comment: string[] = [];
  let described = false;
  for (const line of conf.split("\n")) {
    const group = /^# -{3,} *(.*?) *-*$/.exec(line);
    const key = /^#?([a-z][a-z0-9.-]*) = (.*)$/.exec(line);
    if (group !== null) lines.push(`.SS ${roffText(group[1] ?? "")}`);
    else if (key !== null) {
      lines.push(".TP", `.B ${roffText(`${key[1]} = ${key[2]}`)}`);
      if (comment.length > 0) lines.push(...comment.map(roffText));
      described = true;
      comment = [];
    } else if (line.startsWith("# ")) comment.push(line.slice(2));
    else if (!described && comment.length > 0) {
      lines.push(".PP", ...comment.map(roffText), ".SH KEYS");
      described = true;
      comment = [];
    }
  }
  return lines;
}

/** "  verb   what it does" rows of the overall help, in their order. */
export function verbsOf(help: string): string[] {
  const verbs = help.split("Global options:")[0] ?? "";
  return [...verbs.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map((match) => match[1] ?? "");
}
