/**
 * A virtual device by hand: `node cross-build/with-node.mjs test/system/shell.ts [amd64|arm64] [--installed] [--memory MIB] [--disk QCOW2]`.
 * Its console is this terminal (root, no password); Ctrl-A X ends it. What it writes is thrown away, unless --disk names where to.
 * --installed: with the package of dist/packages. This machine is 10.0.2.2; --port 8080 shows its port 8080 here.
 */
import { once } from "node:events";
import { parseArgs } from "node:util";
import { Machine } from "./lib/machine.ts";
import { installedDisk } from "./lib/packages.ts";
import { rootFs } from "./lib/rootfs.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    installed: { type: "boolean", default: false },
    memory: { type: "string", default: "512" },
    disk: { type: "string" },
    port: { type: "string", multiple: true, default: [] },
  },
});
const base = await rootFs(positionals[0] === "arm64" ? "arm64" : "amd64", console.error);
const installed = values.installed ? { overlayOf: await installedDisk(base, console.error) } : undefined;
const disk = values.disk === undefined ? installed : { file: values.disk };
const machine = new Machine(base, {
  memory: Number(values.memory),
  console: "stdio",
  forward: Object.fromEntries(values.port.map((port) => [Number(port), Number(port)])),
  ...(disk === undefined ? {} : { disk }),
});
await machine.start({ wait: false });
await once(machine.process, "exit");
await machine.close();
