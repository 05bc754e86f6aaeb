/** The command line of lightvd. */
import { parseValue } from "#agent/lib/conf-file.ts";
import { LightvError } from "#agent/lib/errors.ts";
import { type ConfigKey, SCHEMA } from "./config.ts";

export interface Flags {
  readonly mode: "run" | "help" | "version" | "check-config";
  readonly config: string | undefined;
  /** Where the native parts lie, when not beside this program. */
  readonly addon: string | undefined;
  readonly monitor: string | undefined;
  /** Values that win over the file's, under their names there. */
  readonly values: Readonly<Record<string, unknown>>;
}

export const HELP = `usage: lightvd [flags]

The agent: runs what the fleet controller wants on this device, and reports. Workloads go on when it ends.

  --config FILE        configuration (default: /etc/lightv/lightvd.conf, or the one of this installation)
  --check-config       check the configuration, say what is wrong, and exit
  --root DIR           state that survives a reboot (default: /var/lib/lightv)
  --runroot DIR        state that does not (default: /run/lightv)
  --KEY VALUE          any key of the configuration file
  --addon FILE         the native addon, lightv.node (default: beside this program)
  --monitor FILE       the lightv binary that watches a sandbox (default: beside this program)
  --version            print the version
  --help               print this

Each also as --KEY=VALUE. Exit codes: 0 ended by a signal, 1 failed, 2 wrong flag or configuration.
`;

/** Throws LV_USAGE or LV_CONFIG. */
export function parseFlags(args: readonly string[]): Flags {
  let mode: Flags["mode"] = "run";
  const files: Record<"config" | "addon" | "monitor", string | undefined> = { config: undefined, addon: undefined, monitor: undefined };
  const values: Record<string, unknown> = {};
  const rest = [...args];
  for (let flag = rest.shift(); flag !== undefined; flag = rest.shift()) {
    const match = /^--([a-z-]+)(?:=([\s\S]*))?$/.exec(flag);
    const name = match?.[1] ?? (flag === "-h" ? "help" : "");
    if (isMode(name)) {
      mode = name;
      continue;
    }
    if (!(name in files) && !Object.hasOwn(SCHEMA, name))
      throw new LightvError("LV_USAGE", `no such flag "${flag}"`, { hint: "see lightvd --help" });
    const value = match?.[2] ?? rest.shift();
    if (value === undefined) throw new LightvError("LV_USAGE", `--${name} needs a value`, { hint: "see lightvd --help" });
    if (name === "config" || name === "addon" || name === "monitor") files[name] = value;
    else values[name satisfies string as ConfigKey] = parseValue(`--${name}`, name, value, SCHEMA);
  }
  return { mode, ...files, values };
}

function isMode(name: string): name is Exclude<Flags["mode"], "run"> {
  return ["help", "version", "check-config"].includes(name);
}
