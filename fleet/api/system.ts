/** /healthz, /metrics and /v1/status: the controller itself. */
import { countDevices } from "#fleet/store/devices.ts";
import { requireToken } from "./auth.ts";
import type { Api, ApiContext } from "./context.ts";

export function systemRoutes(api: Api, context: ApiContext): void {
  const { store, live, feed, version } = context;

  api.get("/healthz", { schema: { summary: "Whether the controller and its database work", tags: ["system"], security: [] } }, async () => {
    await countDevices(store.db);
    return { ok: true, version };
  });

  api.get("/v1/status", { schema: { summary: "Counts", tags: ["system"] }, onRequest: requireToken(context) }, async () => ({
    version,
    devices: await countDevices(store.db),
    counters: live.counters,
    urls: context.publicUrls(),
  }));

  api.get(
    "/metrics",
    { schema: { summary: "For Prometheus", tags: ["system"] }, onRequest: requireToken(context) },
    async (_request, reply) => {
      const { total, online } = await countDevices(store.db);
      const { received, rejected, refused, ...counters } = live.counters;
      const lines = [
        ...metric("lightv_fleet_devices", "gauge", "Devices that are enrolled.", [["", total]]),
        ...metric("lightv_fleet_devices_online", "gauge", "Devices that are connected.", [["", online]]),
        ...metric("lightv_fleet_stream_readers", "gauge", "Readers of the event stream.", [["", feed.listeners]]),
        ...metric("lightv_fleet_messages_received_total", "counter", "Messages of devices.", labelled("channel", received)),
        ...metric("lightv_fleet_messages_rejected_total", "counter", "Messages that are broken.", labelled("channel", rejected)),
        ...metric("lightv_fleet_refused_total", "counter", "What the broker refused.", labelled("action", refused)),
        ...metric("lightv_fleet_ingest_total", "counter", "What ingest did.", labelled("what", counters)),
        ...metric("process_resident_memory_bytes", "gauge", "Resident memory.", [["", process.memoryUsage.rss()]]),
      ];
      return reply.type("text/plain; version=0.0.4").send(`${lines.join("\n")}\n`);
    },
  );
}

function labelled(label: string, values: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(values).map(([name, value]) => [`{${label}="${name}"}`, value]);
}

function metric(name: string, type: "gauge" | "counter", help: string, values: readonly [string, number][]): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...values.map(([labels, value]) => `${name}${labels} ${value}`)];
}
