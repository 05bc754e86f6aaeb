/** `lightv fleet devices`, `device show`, `device rm`, `status`, `login`. */
import type { Command } from "commander";
import { LightvError } from "#agent/lib/errors.ts";
import { Client } from "./client.ts";
import { ago, bytes, oneLine, printRows, table } from "./output.ts";
import { readCa, saveProfile } from "./profile.ts";
import { openSession } from "./session.ts";
import type { DeviceSummary, DeviceView } from "./views.ts";

export function deviceVerbs(fleet: Command): void {
  fleet
    .command("devices")
    .description("List devices")
    .option("-q, --quiet", "only ids")
    .action(async (options: { quiet?: boolean }, command: Command) => {
      const { client, format } = await openSession(command);
      const devices = await allDevices(client);
      if (options.quiet) for (const { id } of devices) console.log(id);
      else
        printRows(format, devices, {
          DEVICE: (d) => d.id,
          STATUS: (d) => (d.online ? "online" : "offline"),
          "LAST SEEN": (d) => ago(d.lastSeenAt, Date.now()),
          REVISION: (d) =>
            d.reportedRevision === d.desiredRevision ? `${d.desiredRevision}` : `${d.reportedRevision} of ${d.desiredRevision}`,
          APPS: (d) => d.apps.map(({ name, phase }) => `${name} (${phase})`).join(", "),
          ARCH: (d) => d.architecture,
          AGENT: agentState,
        });
    });

  const device = fleet.command("device").description("One device");
  device
    .command("show <device>")
    .description("Everything that is known of a device")
    .action(async (id: string, _options: object, command: Command) => {
      const { client, format } = await openSession(command);
      const view = await client.call<DeviceView>("GET", `/v1/devices/${encodeURIComponent(id)}`);
      console.log(format === "json" ? JSON.stringify(view, undefined, 2) : describe(view));
    });
  device
    .command("rm <device>")
    .description("Remove a device, its credentials and its history")
    .action(async (id: string, _options: object, command: Command) => {
      const { client } = await openSession(command);
      await client.call("DELETE", `/v1/devices/${encodeURIComponent(id)}`);
      console.log(id);
    });

  fleet
    .command("status")
    .description("The controller: version, devices, counters")
    .action(async (_options: object, command: Command) => {
      const { client, format } = await openSession(command);
      const status = await client.call<{
        version: string;
        devices: { total: number; online: number };
        counters: { eventsStored: number; rejected: Record<string, number>; refused: Record<string, number> };
      }>("GET", "/v1/status");
      if (format === "json") return console.log(JSON.stringify(status));
      const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((total, n) => total + n, 0);
      const { version, devices, counters } = status;
      console.log(
        table([
          ["Controller:", client.url],
          ["Version:", version],
          ["Devices:", `${devices.online} of ${devices.total} online`],
          ["Events stored:", `${counters.eventsStored} since its start`],
          ["Rejected:", `${sum(counters.rejected)} broken messages, ${sum(counters.refused)} refused by the broker`],
        ]),
      );
    });

  fleet
    .command("login <url>")
    .description("Save the controller's address and token (--token, or asked for on stdin)")
    .action(async (url: string, _options: object, command: Command) => {
      const flags = command.optsWithGlobals<{ token?: string; ca?: string }>();
      const token = flags.token ?? process.env.LIGHTV_FLEET_TOKEN ?? (await readLine("Token: "));
      if (token === "") throw new LightvError("LV_USAGE", "no token was given", { hint: "it is in DATA-DIR/api-token of the controller" });
      const ca = await readCa(flags.ca);
      const profile = { url: url.replace(/\/+$/, ""), token, ...(ca === undefined ? {} : { ca }) };
      await new Client(profile).call("GET", "/v1/status");
      console.log(`Login succeeded, saved in ${await saveProfile(profile)}`);
    });
}

export async function allDevices(client: Client): Promise<DeviceSummary[]> {
  const all: DeviceSummary[] = [];
  let after: string | undefined = "";
  while (after !== undefined) {
    const page: { devices: DeviceSummary[]; next?: string } = await client.call("GET", `/v1/devices?after=${after}`);
    all.push(...page.devices);
    after = page.next;
  }
  return all;
}

function describe(view: DeviceView): string {
  const { inventory, metric, reported } = view;
  const lines: string[][] = [
    ["Device:", view.id],
    ["Status:", `${view.online ? "online" : "offline"}, last seen ${ago(view.lastSeenAt, Date.now())}`],
    ["Agent:", `${agentState(view)} (${view.architecture}), enrolled ${ago(view.enrolledAt, Date.now())}`],
    ...(view.agent?.reason ? [["Agent's update:", view.agent.reason]] : []),
    ["Revision:", `desired ${view.desired.revision}, on the device ${reported?.desiredRevision ?? 0}`],
  ];
  if (inventory !== null) {
    lines.push([
      "Hardware:",
      `${inventory.cores} cores${inventory.cpu === "" ? "" : ` (${inventory.cpu})`}, ${bytes(inventory.memoryBytes)} memory, ${bytes(inventory.diskBytes)} disk`,
    ]);
    lines.push(["System:", `${inventory.hostname}, ${inventory.os}, kernel ${inventory.kernel}`]);
  }
  if (metric !== null) {
    const { memoryTotalBytes, memoryAvailableBytes, diskFreeBytes, load1 } = metric.device;
    const used = bytes(memoryTotalBytes - memoryAvailableBytes);
    lines.push(["Now:", `load ${load1.toFixed(2)}, ${used} of ${bytes(memoryTotalBytes)} memory used, ${bytes(diskFreeBytes)} disk free`]);
    lines.push(["Agent memory:", `${bytes(metric.agent.rssBytes)} resident, ${metric.agent.outboxEvents} events in the outbox`]);
  }
  if (view.rejectedMessages > 0) lines.push(["Rejected:", `${view.rejectedMessages} broken messages`]);
  if (view.lost.length > 0) lines.push(["Lost events:", view.lost.map(({ from, to }) => `${from}-${to}`).join(", ")]);
  const apps = (reported?.apps ?? []).map((app) => {
    const usage = metric?.apps.find(({ name }) => name === app.name);
    return [app.name, app.phase, usage?.memoryBytes === undefined ? "-" : bytes(usage.memoryBytes), `${app.restarts}`, app.reason];
  });
  const head = table(lines.map((line) => line.map(oneLine)));
  if (apps.length === 0) return head;
  return `${head}\n\n${table([["APP", "PHASE", "MEMORY", "RESTARTS", "REASON"], ...apps.map((app) => app.map(oneLine))])}`;
}

/** "0.1.0", or with what becomes of another version: "0.1.0, 0.2.0 failed". */
export function agentState({ agent, agentVersion }: Pick<DeviceSummary, "agent" | "agentVersion">): string {
  if (agent === null || agent.wanted === undefined) return agent?.phase === "trial" ? `${agentVersion} (trial)` : agentVersion;
  const { done = 0, total = 0 } = agent.progress ?? {};
  return `${agentVersion}, ${agent.wanted.version} ${agent.phase}${total === 0 ? "" : ` ${Math.floor((done / total) * 100)} %`}`;
}

async function readLine(prompt: string): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write(prompt);
  for await (const chunk of process.stdin.setEncoding("utf8")) return String(chunk).split("\n")[0]?.trim() ?? "";
  return "";
}
