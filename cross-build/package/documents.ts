/** What a distribution expects of a package besides its programs: manual pages, shell completion, changelog, licences. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HELP as AGENT_HELP } from "#agent/config/flags.ts";
import { run, runBytes } from "../run.ts";
import { confToRoff, helpToRoff, type Page, renderPage, verbsOf } from "./roff.ts";
import { libraryOf } from "./tree.ts";

export interface DocumentOptions {
  readonly top: string;
  /** The tree, with its programs. */
  readonly prefix: string;
  /** What runs the tree's native programs here. */
  readonly emulator: readonly string[];
  readonly version: string;
  /** Seconds since 1970. */
  readonly epoch: number;
}

/** Verbs that are JavaScript, and their bundle; all others are native. */
const DELEGATED: Readonly<Record<string, string>> = { import: "cli.mjs", convert: "cli.mjs", fleet: "fleet-cli.mjs" };

export function placeManPages(options: DocumentOptions): void {
  const { top, prefix, emulator } = options;
  const lightv = (...args: readonly string[]): string => {
    const [command = "", ...rest] = [...emulator, join(prefix, "bin", "lightv"), ...args];
    return run(command, rest);
  };
  const delegated = (verb: string, file: string): string => {
    const args = [join(libraryOf(prefix), file), ...(file === "cli.mjs" ? [verb] : []), "--help"];
    return run(process.execPath, args, { env: { COLUMNS: "100", NO_COLOR: "1" } });
  };
  const overall = lightv("--help");
  const verbs = verbsOf(overall).flatMap((verb) => {
    const file = DELEGATED[verb];
    return [`.SH lightv ${verb}`, ...helpToRoff(file === undefined ? lightv("help", verb) : delegated(verb, file), ".SS")];
  });
  const pages: readonly UndatedPage[] = [
    {
      name: "lightv",
      section: 1,
      summary: "run programs from images in sandboxes",
      body: [".SH SYNOPSIS", ...helpToRoff(overall, ".SH"), ...verbs],
      seeAlso: ["lightvd(8)", "lightvd.conf(5)"],
    },
    {
      name: "lightvd",
      section: 8,
      summary: "agent that keeps a device as its fleet controller wants it",
      body: [".SH SYNOPSIS", ...helpToRoff(AGENT_HELP, ".SH")],
      seeAlso: ["lightv(1)", "lightvd.conf(5)"],
    },
    {
      name: "lightvd.conf",
      section: 5,
      summary: "configuration of lightvd",
      body: confToRoff(readFileSync(join(top, "configs", "agent", "lightvd.conf"), "utf8")),
      seeAlso: ["lightv(1)", "lightvd(8)"],
    },
  ];
  for (const page of pages) placePage(options, page);
}

type UndatedPage = Omit<Page, "version" | "date">;

export function placePage({ prefix, version, epoch }: DocumentOptions, page: UndatedPage): void {
  const directory = join(prefix, "share", "man", `man${page.section}`);
  mkdirSync(directory, { recursive: true });
  const date = new Date(epoch * 1000).toISOString().slice(0, 10);
  writePacked(join(directory, `${page.name}.${page.section}`), renderPage({ ...page, version, date }));
}

const COMPLETIONS: Readonly<Record<string, string>> = {
  bash: "bash-completion/completions/lightv",
  zsh: "zsh/vendor-completions/_lightv",
  fish: "fish/vendor_completions.d/lightv.fish",
};

export function placeCompletions({ prefix, emulator }: DocumentOptions): void {
  for (const [shell, path] of Object.entries(COMPLETIONS)) {
    const [command = "", ...args] = [...emulator, join(prefix, "bin", "lightv"), "completion", shell];
    const file = join(prefix, "share", path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, run(command, args));
  }
}

/** share/doc/<name>/changelog.gz, in Debian's form, out of CHANGELOG.md. */
export function placeChangelog({ top, prefix, version, epoch }: DocumentOptions, name: string): void {
  const text = readFileSync(join(top, "CHANGELOG.md"), "utf8");
  const directory = join(prefix, "share", "doc", name);
  mkdirSync(directory, { recursive: true });
  writePacked(join(directory, "changelog"), debianChangelog(text, name, version, epoch));
}

/** Pure: the newest section of a Keep-a-Changelog text as the entry of `version`. */
export function debianChangelog(text: string, name: string, version: string, epoch: number): string {
  const [, newest = ""] = text.split(/^## .*$/m);
  const items = [...newest.matchAll(/^- (.*)$/gm)].map((match) => wrap(match[1] ?? ""));
  const time = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  const list = items.length > 0 ? items : ["Packaged."];
  return `${name} (${version}) stable; urgency=medium\n\n${list.map((item) => `  * ${item}\n`).join("")}\n -- ${MAINTAINER}  ${time}\n`;
}

export const MAINTAINER = "LightV maintainers <maintainers@lightv.invalid>";
const WIDTH = 76;

function wrap(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + word.length + 1 > WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join("\n    ");
}

/** As Debian packs documents; the name and time of the file are left out. */
export function writePacked(file: string, text: string): void {
  writeFileSync(`${file}.gz`, runBytes("gzip", ["-9n"], { input: Buffer.from(text, "utf8") }));
}
