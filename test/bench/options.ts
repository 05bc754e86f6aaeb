/** The command line of `npm run bench`. Pure. */
export interface Options {
  readonly quick: boolean;
  readonly long: boolean;
  readonly only: readonly string[];
  readonly help: boolean;
  /** Measure nothing. */
  readonly render: boolean;
  /** Where documents are written: the project's, a directory of one's own, or nowhere. */
  readonly write: "docs" | "nowhere" | { readonly directory: string };
}

export const USAGE = `npm run bench -- [OPTIONS]

  --quick        a minute's look: few runs, no documents
  --long         also the parts that take ten minutes each
  --only NAME    only this part, also one of the long ones; may be given again
  --out DIR      write documents there instead of docs/
  --no-write     write no documents
  --render       measure nothing, write the documents anew from the numbers that are kept
  --help         this, the names of the parts, and how to install the peers`;

/** Throws an Error that says what is wrong with the arguments. */
export function parseOptions(args: readonly string[], parts: readonly string[]): Options {
  const only: string[] = [];
  const flags = new Set<string>();
  let out: string | undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--only" || arg === "--out") {
      const value = args[++i];
      if (value === undefined) throw new Error(`${arg} needs a value`);
      if (arg === "--out") out = value;
      else if (parts.includes(value)) only.push(value);
      else throw new Error(`no part is called ${value}: there are ${parts.join(" ")}`);
    } else if (["--quick", "--long", "--no-write", "--render", "--help"].includes(arg)) flags.add(arg);
    else throw new Error(`unknown argument ${arg}`);
  }
  const nowhere = flags.has("--no-write") || flags.has("--quick");
  return {
    quick: flags.has("--quick"),
    long: flags.has("--long"),
    help: flags.has("--help"),
    render: flags.has("--render"),
    only,
    write: out !== undefined ? { directory: out } : nowhere ? "nowhere" : "docs",
  };
}
