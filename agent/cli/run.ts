/** Parses a command line of the verbs written in TypeScript, runs it, and gives the exit code: 1 a failure, 125 a wrong flag, as Docker's. */
import { Command, CommanderError } from "commander";
import { isLightvError, messageOf } from "#agent/lib/errors.ts";
import type { CliContext } from "./context.ts";
import { addConvert } from "./convert.ts";
import { addImport } from "./import.ts";

const FAILED = 1;
const WRONG_FLAG = 125;
/** 128 + SIGINT. */
const INTERRUPTED = 130;

export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const program = new Command("lightv");
  program.exitOverride().helpCommand(false);
  program.configureOutput({
    writeOut: (text) => context.stdout.write(text),
    writeErr: (text) => context.stderr.write(text),
    outputError: (text, write) => write(text.replace(/^error: /, "lightv: ")),
  });
  addImport(program, context);
  addConvert(program, context);
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program).helpOption("--help", "Print usage");
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return exitCodeOf(error, args, context);
    if (context.signal.aborted) return INTERRUPTED;
    context.stderr.write(`lightv ${args[0] ?? ""}: ${messageOf(error)}\n`);
    if (!isLightvError(error) && error instanceof Error) context.stderr.write(`${error.stack ?? ""}\n`);
    return FAILED;
  }
}

/** commander has printed what is wrong already. */
function exitCodeOf({ exitCode, code }: CommanderError, args: readonly string[], context: CliContext): number {
  if (exitCode === 0) return 0;
  context.stderr.write(`See 'lightv ${args[0] ?? ""} --help'.\n`);
  return code === "commander.missingArgument" || code === "commander.excessArguments" ? FAILED : WRONG_FLAG;
}
