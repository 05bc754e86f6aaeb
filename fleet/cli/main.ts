/** Entry of the bundle that the native `lightv` starts for `lightv fleet …`. */
import { Command, CommanderError } from "commander";
import { isLightvError, messageOf } from "#agent/lib/errors.ts";
import { registerFleet } from "./register.ts";

/** As Docker: 125 for a wrong flag, 1 for what failed; `exec` ends with the program's own. */
const USAGE = 125;

const args = process.argv.slice(2);
const program = new Command("lightv")
  .enablePositionalOptions()
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "lightv: ")) });
registerFleet(program);
const leaves = (command: Command, name: string): void => {
  command.exitOverride().copyInheritedSettings(program).showHelpAfterError(`(see ${name} --help)`);
  for (const child of command.commands) leaves(child, `${name} ${child.name()}`);
};
for (const child of program.commands) leaves(child, `lightv ${child.name()}`);
// `lightv fleet events | head`
process.stdout.on("error", () => process.exit(0));

try {
  await program.parseAsync(args[0] === "fleet" ? args : ["fleet", ...args], { from: "user" });
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  else {
    const ours = isLightvError(error);
    process.stderr.write(`lightv: ${ours || !(error instanceof Error) ? messageOf(error) : error.stack}\n`);
    process.exitCode = isLightvError(error, "LV_USAGE") ? USAGE : 1;
  }
}
