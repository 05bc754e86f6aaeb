/** /v1/devices: who is there, in which state. */
import { Type } from "typebox";
import { LightvError } from "#agent/lib/errors.ts";
import type { Reported } from "#agent/wire/protocol/reported.ts";
import { audit } from "#fleet/store/audit.ts";
import { type DeviceWithReport, findDeviceWithReport, listDevices, removeDevice } from "#fleet/store/devices.ts";
import { listLost } from "#fleet/store/events.ts";
import type { Api, ApiContext } from "./context.ts";

export const DeviceParams = Type.Object({ id: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,62}$" }) });

export function deviceRoutes(api: Api, context: ApiContext): void {
  const { store, live, now } = context;

  api.get(
    "/v1/devices",
    {
      schema: {
        summary: "Devices, by id",
        tags: ["devices"],
        querystring: Type.Object({
          after: Type.Optional(Type.String()),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        }),
      },
    },
    async (request) => {
      const limit = request.query.limit ?? 1000;
      const rows = await listDevices(store.db, request.query.after ?? "", limit);
      return { devices: rows.map((row) => summary(context, row)), next: rows.length === limit ? rows.at(-1)?.id : undefined };
    },
  );

  api.get("/v1/devices/:id", { schema: { summary: "One device, whole", tags: ["devices"], params: DeviceParams } }, async (request) => {
    const row = await found(context, request.params.id);
    const reported = row.report === null ? null : (JSON.parse(row.report) as Reported);
    return {
      ...summary(context, row),
      desired: {
        revision: row.desired_revision,
        issuedAt: isoOrNull(row.desired_issued_at || null),
        apps: JSON.parse(row.desired_apps) as unknown,
        ...(row.desired_agent === null ? {} : { agent: JSON.parse(row.desired_agent) as unknown }),
      },
      reported,
      inventory: row.inventory === null ? null : (JSON.parse(row.inventory) as unknown),
      metric: live.heartbeats.get(row.id)?.metric ?? null,
      ackedSeq: row.acked_seq,
      lost: await listLost(store.db, row.id),
      rejectedMessages: row.rejected_messages,
      enrolledBy: row.enrolled_by,
    };
  });

  api.delete(
    "/v1/devices/:id",
    { schema: { summary: "Remove a device, its credentials and its history", tags: ["devices"], params: DeviceParams } },
    async (request, reply) => {
      const { id } = request.params;
      const gone = await store.transaction(async (db) => {
        if (!(await removeDevice(db, id))) return false;
        await audit(db, { at: now(), actor: "api", action: "device.remove", detail: id });
        return true;
      });
      if (!gone) throw noDevice(id);
      await context.expel(id);
      live.forget(id);
      return reply.code(204).send();
    },
  );
}

async function found({ store }: ApiContext, id: string): Promise<DeviceWithReport> {
  const row = await findDeviceWithReport(store.db, id);
  if (row === undefined) throw noDevice(id);
  return row;
}

function summary({ live }: ApiContext, row: DeviceWithReport) {
  const heartbeat = live.heartbeats.get(row.id);
  const reported = row.report === null ? undefined : (JSON.parse(row.report) as Reported);
  return {
    id: row.id,
    online: row.online === 1,
    lastSeenAt: isoOrNull(Math.max(row.last_seen_at ?? 0, row.report_at ?? 0, heartbeat?.receivedAt ?? 0) || null),
    enrolledAt: isoOrNull(row.enrolled_at),
    architecture: row.architecture,
    agentVersion: row.agent_version,
    agent: reported?.agent ?? null,
    desiredRevision: row.desired_revision,
    reportedRevision: reported?.desiredRevision ?? 0,
    apps: (reported?.apps ?? []).map(({ name, phase, reason }) => ({ name, phase, reason })),
  };
}

export function noDevice(id: string): LightvError {
  return new LightvError("LV_NOT_FOUND", `no device "${id}"`, { hint: "`lightv fleet devices` lists them" });
}

export function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
