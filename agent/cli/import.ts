/** `lightv import`: a directory or a tar archive as an image. */
import { basename } from "node:path";
import type { Command } from "commander";
import { applyChanges } from "#agent/image/changes.ts";
import { normalizeImageName } from "#agent/image/name.ts";
import { hostArchitecture, parsePlatform } from "#agent/image/platform.ts";
import { addInput } from "#agent/image/sources/input.ts";
import { LightvError } from "#agent/lib/errors.ts";
import { buildImage } from "./build.ts";
import { type CliContext, warner } from "./context.ts";

interface ImportFlags {
  readonly change: readonly string[];
  readonly output?: string;
  readonly platform?: string;
  readonly quiet?: boolean;
}

const MORE = `
DIR is taken as it is: owners, modes, times, hard links and devices; sockets are left out. TAR may be packed with gzip, zstd, bzip2 or xz.
A directory's extended attributes need the program getfattr (package attr); a tar carries them by itself:
    tar --xattrs --xattrs-include='*' -C DIR -c . | lightv import - NAME

The same input gives the same image, byte for byte; SOURCE_DATE_EPOCH (seconds since 1970) holds all times down.

Instructions of --change: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL STOPSIGNAL USER VOLUME WORKDIR
    lightv import --change 'CMD ["/bin/server", "-v"]' --change 'ENV MODE=fast' rootfs.tar.gz server:1.0`;

export function addImport(program: Command, context: CliContext): void {
  program
    .command("import")
    .usage("[OPTIONS] DIR|TAR|- [NAME[:TAG]]")
    .summary("make an image from a directory or a tar file")
    .description("Make an image from a directory, a tar file, or a tar on standard input (-)")
    .argument("<input>")
    .argument("[name]")
    .option("-c, --change <instruction>", "Apply a Dockerfile instruction to the image", (text, all: string[]) => [...all, text], [])
    .option("-o, --output <file>", "Write this .lv file, and leave the store alone")
    .option("--platform <os/arch>", "Platform of the programs in it (default: this machine's)")
    .option("-q, --quiet", "No progress bar")
    .addHelpText("after", MORE)
    .action((input: string, name: string | undefined, flags: ImportFlags) => runImport(context, input, name, flags));
}

async function runImport(context: CliContext, input: string, name: string | undefined, flags: ImportFlags): Promise<void> {
  const { output, quiet } = flags;
  const options = { name: imageName(name, output), ...(output === undefined ? {} : { output }), ...(quiet === undefined ? {} : { quiet }) };
  const architecture = flags.platform === undefined ? hostArchitecture() : parsePlatform(flags.platform).architecture;
  const config = applyChanges({}, flags.change);
  await buildImage(context, options, async (tree, spool) => {
    await addInput(tree, input, { spool, stdin: context.stdin, signal: context.signal, warn: warner(context, "import") });
    return { architecture, config };
  });
}

/** A file can name the image; in a store a nameless one would be garbage at once. */
export function imageName(name: string | undefined, output: string | undefined): string {
  if (name !== undefined) return normalizeImageName(name);
  if (output !== undefined) return normalizeImageName(basename(output, ".lv").toLowerCase());
  throw new LightvError("LV_USAGE", "the image needs a name", { hint: "add NAME[:TAG], or write a file with -o FILE.lv" });
}
