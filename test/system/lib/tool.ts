/** Programs of this machine that must not fail. */
import { run } from "#test/lib/command.ts";

/** Gives what it prints; an error with its output when it fails. Limit: five minutes. */
export async function tool(command: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, { timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
  return stdout;
}
