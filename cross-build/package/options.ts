/** The command line of `npm run package`. */
import { TARGETS, type Target } from "./targets.ts";

export interface Options {
  readonly mode: "packages" | "tests" | "help";
  readonly targets: readonly Target[];
  readonly version: string;
  readonly output: string | undefined;
  readonly signKey: string | undefined;
  /** Also an update payload that brings Node. */
  readonly withNode: boolean;
  readonly quick: boolean;
}

export const HELP = `usage: npm run package -- [options] [packages|tests]

packages (the default): .deb, .tar.zst, update payload and bill of materials of each, in dist/packages/.
tests: the native tests, static, for a device: build/tests-<architecture>/lightv-tests.

  --arch ARCH       ${TARGETS.map(({ architecture }) => architecture).join(" or ")}; may be given again (default: all)
  --version VERSION what the packages and programs say they are (default: package.json's)
  --output DIR      instead of dist/packages/
  --sign-key FILE   sign the update payloads with this ed25519 key (PEM)
  --with-node       also an update payload that brings Node with it
  --quick           compress little: bigger packages in a tenth of the time, for tests; the sizes are not checked
  --help            print this
`;

/** Debian's form of a version without epoch and revision, which is also one of semver's. */
const VERSION = /^\d[A-Za-z0-9.+~-]{0,63}$/;

/** Throws with what is wrong and what there is. */
export function parseOptions(args: readonly string[], version: string): Options {
  let options: Options = {
    mode: "packages",
    targets: TARGETS,
    version,
    output: undefined,
    signKey: undefined,
    withNode: false,
    quick: false,
  };
  const chosen: Target[] = [];
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [flag = "", inline] = word.startsWith("--") ? split(word) : [word];
    const value = (): string => {
      const text = inline ?? rest.shift();
      if (text === undefined || text === "") throw new Error(`${flag} needs a value; see --help`);
      return text;
    };
    if (flag === "--arch") chosen.push(targetOf(value()));
    else if (flag === "--version") options = { ...options, version: versionOf(value()) };
    else if (flag === "--output") options = { ...options, output: value() };
    else if (flag === "--sign-key") options = { ...options, signKey: value() };
    else if (word === "--with-node") options = { ...options, withNode: true };
    else if (word === "--quick") options = { ...options, quick: true };
    else if (word === "--help" || word === "-h") options = { ...options, mode: "help" };
    else if (word === "packages" || word === "tests") options = { ...options, mode: word };
    else throw new Error(`"${word}" is no option of this; see --help`);
  }
  return chosen.length === 0 ? options : { ...options, targets: TARGETS.filter((target) => chosen.includes(target)) };
}

function split(word: string): [string, string | undefined] {
  const at = word.indexOf("=");
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function targetOf(name: string): Target {
  const target = TARGETS.find(({ architecture }) => architecture === name);
  if (target === undefined) throw new Error(`there is no architecture "${name}": ${TARGETS.map((t) => t.architecture).join(", ")}`);
  return target;
}

function versionOf(text: string): string {
  if (!VERSION.test(text)) throw new Error(`"${text}" is no version: a digit, then letters, digits and . + ~ -`);
  return text;
}
