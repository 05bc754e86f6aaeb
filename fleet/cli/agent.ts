/** `lightv fleet upgrade-agent`: another version of the agent on devices, over the air. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { parseSignatureFile, type SignatureFile } from "#agent/lib/agent-signature.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { Client } from "./client.ts";
import { waitFor } from "./deploy.ts";
import { pickImage, push } from "./images.ts";
import { openSession } from "./session.ts";
import { parseDuration } from "./values.ts";
import type { DesiredView, DeviceView, ImageView } from "./views.ts";

interface UpgradeOptions {
  readonly image: string;
  readonly signature: string;
  readonly wait?: boolean;
  readonly retry?: boolean;
  readonly timeout: string;
}

export function agentVerbs(fleet: Command): void {
  fleet
    .command("upgrade-agent <device...>")
    .description("Have devices run another version of the agent; what they run stays up")
    .requiredOption("--image <image>", "the payload: a .lv file, which is pushed first, or a name or digest on the controller")
    .requiredOption("--signature <file>", "its signature (lightv fleet sign-agent)")
    .option("--retry", "also where this payload has failed before")
    .option("--wait", "until it is in force, or has failed")
    .option("--timeout <time>", "of --wait, for each device", "15m")
    .action(upgrade);

  fleet
    .command("keep-agent <device...>")
    .description("Want no version of the agent any more: devices stay with the one they have")
    .action(async (devices: string[], _options: object, command: Command) => {
      const { client } = await openSession(command);
      for (const device of devices) {
        const { revision } = await client.call<DesiredView>("DELETE", agentPath(device));
        console.log(`${device} keeps its agent (revision ${revision})`);
      }
    });
}

async function upgrade(devices: string[], options: UpgradeOptions, command: Command): Promise<void> {
  const timeoutMs = parseDuration("--timeout", options.timeout);
  const { client } = await openSession(command);
  const signature = await readSignature(options.signature);
  const image = await payload(client, options.image);
  if (image.digest !== signature.digest)
    throw new LightvError("LV_IMAGE_DIGEST", `${options.signature} is the signature of ${signature.digest}, not of ${image.digest}`, {
      hint: "sign the file that is given",
    });
  const failures: string[] = [];
  const one = async (device: string): Promise<void> => {
    try {
      const desired = await client.call<DesiredView>("PUT", agentPath(device), {
        ...signature,
        image: image.digest,
        retry: options.retry ?? false,
      });
      if (options.wait) await waitFor(client, device, timeoutMs, (view) => isInForce(view, desired), `${device}: `);
      console.log(`${device} ${options.wait ? "runs" : "is to run"} ${signature.version} (revision ${desired.revision})`);
    } catch (error) {
      failures.push(`${device}: ${messageOf(error)}`);
    }
  };
  await Promise.all(devices.map(one));
  if (failures.length > 0) throw new LightvError("LV_UPDATE", failures.join("\n"));
}

function agentPath(device: string): string {
  return `/v1/devices/${encodeURIComponent(device)}/agent`;
}

async function readSignature(file: string): Promise<SignatureFile> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new LightvError("LV_USAGE", `cannot read ${file}: ${messageOf(error)}`, { hint: "`lightv fleet sign-agent` writes it" });
  });
  return parseSignatureFile(text, file);
}

async function payload(client: Client, reference: string): Promise<Pick<ImageView, "digest">> {
  if (existsSync(reference) || reference.endsWith(".lv")) return (await push(client, reference, undefined, false)).pushed;
  const { images } = await client.call<{ images: ImageView[] }>("GET", "/v1/images");
  return { digest: pickImage(images, reference) };
}

/** True when it is, a text while it is not. Throws when it can't become so by itself. */
function isInForce(view: DeviceView, { agent: wanted, revision }: DesiredView): true | string {
  const { agent, reported } = view;
  if (wanted === undefined) throw new LightvError("LV_INTERNAL", "the controller has not taken the version");
  if (!view.online) return "the device is offline";
  if ((reported?.desiredRevision ?? 0) < revision) return "the device has not taken it yet";
  if (agent === null)
    throw new LightvError("LV_USAGE", `the agent of ${view.id} is too old to update itself`, { hint: "install the package" });
  if (agent.digest === wanted.digest && agent.phase === "current") return true;
  if (agent.phase === "failed" && agent.wanted?.digest === wanted.digest && agent.wanted.attempt === (wanted.attempt ?? 0))
    throw new LightvError("LV_UPDATE", `it still runs ${agent.version}: ${agent.reason}`);
  if (agent.phase === "current") return "the device has not begun yet";
  const { done = 0, total = 0 } = agent.progress ?? {};
  const part = total === 0 ? "" : ` ${Math.floor((done / total) * 10) * 10} %`;
  return `${agent.phase}${part}${agent.reason === "" ? "" : `: ${agent.reason}`}`;
}
