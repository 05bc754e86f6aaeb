/** `lightv convert`: an image of another format as a `.lv` image. */
import type { Command } from "commander";
import { applyChanges } from "#agent/image/changes.ts";
import { hostArchitecture, parsePlatform } from "#agent/image/platform.ts";
import { addDockerArchive } from "#agent/image/sources/docker-archive.ts";
import { addOciLayout } from "#agent/image/sources/oci-layout.ts";
import { LightvError } from "#agent/lib/errors.ts";
import { buildImage } from "./build.ts";
import { type CliContext, warner } from "./context.ts";
import { imageName } from "./import.ts";

interface ConvertFlags {
  readonly change: readonly string[];
  readonly output?: string;
  readonly platform?: string;
  readonly quiet?: boolean;
}

const MORE = `
Inputs:
    oci:DIR[:TAG]         an OCI image layout, as skopeo, buildah and "docker buildx build -o type=oci,tar=false" write it
    docker-archive:FILE   what "docker save" writes, packed or not

Layers are merged into one tree, later ones over earlier ones; digests are checked on the way.`;

export function addConvert(program: Command, context: CliContext): void {
  program
    .command("convert")
    .usage("[OPTIONS] oci:DIR[:TAG]|docker-archive:FILE [NAME[:TAG]]")
    .summary("make an image from an OCI image layout or a docker archive")
    .description("Make an image from an OCI image layout or from what docker save writes")
    .argument("<input>")
    .argument("[name]")
    .option("-c, --change <instruction>", "Apply a Dockerfile instruction to the image", (text, all: string[]) => [...all, text], [])
    .option("-o, --output <file>", "Write this .lv file, and leave the store alone")
    .option("--platform <os/arch>", "Which image of several to take (default: this machine's)")
    .option("-q, --quiet", "No progress bar")
    .addHelpText("after", MORE)
    .action((input: string, name: string | undefined, flags: ConvertFlags) => runConvert(context, input, name, flags));
}

async function runConvert(context: CliContext, input: string, name: string | undefined, flags: ConvertFlags): Promise<void> {
  const { output, quiet } = flags;
  const options = { name: imageName(name, output), ...(output === undefined ? {} : { output }), ...(quiet === undefined ? {} : { quiet }) };
  const platform = parsePlatform(flags.platform ?? hostArchitecture());
  const [, kind = "", place = ""] = /^(oci|docker-archive):(.+)$/s.exec(input) ?? [];
  if (kind === "")
    throw new LightvError("LV_USAGE", `"${input}" is no input that convert knows`, {
      hint: "it takes oci:DIR[:TAG] and docker-archive:FILE; directories and tar files go through lightv import",
    });
  await buildImage(context, options, async (tree, spool) => {
    const reading = { spool, platform, signal: context.signal, warn: warner(context, "convert") };
    const { architecture, config } = await (kind === "oci" ? addOciLayout(tree, place, reading) : addDockerArchive(tree, place, reading));
    return { architecture, config: applyChanges(config, flags.change) };
  });
}
