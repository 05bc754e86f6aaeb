/** Root file systems that all contestants run from: made from this machine's programs, with the libraries that they load. */
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Commands } from "./commands.ts";

/** A tree with the usual directories and users. */
export function plainTree(root: string): string {
  for (const name of ["proc", "dev", "sys", "tmp", "etc", "run", "bench", "data", "var/log/nginx", "var/lib/nginx"])
    mkdirSync(join(root, name), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/:/\nnobody:x:65534:65534:nobody:/:/\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  return root;
}

/** Copies a program to the same path in the tree, and every library that it names to the path where its loader looks for it. */
export async function addProgram(commands: Commands, root: string, program: string, as = program): Promise<void> {
  place(root, program, as);
  const { stdout } = await commands.run(["ldd", program]);
  for (const [, library = ""] of stdout.matchAll(/(\/[^\s()]+) \(0x/g)) place(root, library, library);
}

function place(root: string, file: string, as: string): void {
  const target = join(root, as);
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(realpathSync(file), target);
}

/** Copies a directory to the same path in the tree. */
export function addDirectory(root: string, directory: string): void {
  cpSync(directory, join(root, directory), { recursive: true, dereference: true });
}
