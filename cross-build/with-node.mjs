/**
 * Runs a script under the Node that devices get (npm packages node-linux-*), whatever Node started npm:
 * `node cross-build/with-node.mjs script.ts [args]`. Signals and the exit status pass through.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const node = join(top, "node_modules", `node-linux-${process.arch}`, "bin", "node");
if (!existsSync(node)) {
  console.error(`${node} is missing: run "npm run setup" first`);
  process.exit(1);
}

const child = spawn(node, process.argv.slice(2), { stdio: "inherit" });
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  // A terminal's Ctrl-C reaches the child by itself; sent to us alone, it must be passed on. Twice does no harm.
  process.on(signal, () => child.kill(signal));
}
child.on("exit", (code, signal) => {
  process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
});
