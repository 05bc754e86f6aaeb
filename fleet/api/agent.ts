/** /v1/devices/{id}/agent: which version of the agent a device shall run (docs/update.md). */
import { Type } from "typebox";
import { LightvError } from "#agent/lib/errors.ts";
import { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import { audit } from "#fleet/store/audit.ts";
import { refuseForeign, resolve } from "./apps.ts";
import type { Api, ApiContext } from "./context.ts";
import { DeviceParams } from "./devices.ts";

const { version, architecture, signature, key, digest } = DesiredAgent.properties;
const AgentBody = Type.Object(
  {
    /** Of the payload, as it was pushed: a name or a digest. */
    image: Type.String({ minLength: 1, maxLength: 255 }),
    version,
    architecture,
    signature,
    key,
    /** What the signature was made for; when given it must be the image's. */
    digest: Type.Optional(digest),
    /** Try it again where it has failed. */
    retry: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

export function agentRoutes(api: Api, { dispatcher, now }: ApiContext): void {
  api.put(
    "/v1/devices/:id/agent",
    { schema: { summary: "Have a device run a version of the agent", tags: ["devices"], params: DeviceParams, body: AgentBody } },
    async (request) => {
      const { id } = request.params;
      const { image, retry = false, digest: signed, ...rest } = request.body;
      return dispatcher.changeDesired(id, async (current, revision, db) => {
        const row = await resolve(db, image);
        if (signed !== undefined && signed !== row.digest)
          throw new LightvError("LV_IMAGE_DIGEST", `the signature is for ${signed}, and ${row.name} is ${row.digest}`, {
            hint: "sign the file that is pushed",
          });
        if (row.architecture !== rest.architecture)
          throw new LightvError("LV_IMAGE_PLATFORM", `the signature is for ${rest.architecture}, and ${row.name} is ${row.architecture}`);
        await refuseForeign(db, id, row);
        const same = current.agent?.digest === row.digest ? current.agent.attempt : undefined;
        // The revision only grows, so it is above every attempt that the device has on record.
        const attempt = retry ? revision : (same ?? 0);
        await audit(db, { at: now(), actor: "api", action: "agent.upgrade", detail: `${id} ${rest.version} ${row.digest}` });
        return { apps: current.apps, agent: { ...rest, digest: row.digest, size: row.size, attempt } };
      });
    },
  );

  api.delete(
    "/v1/devices/:id/agent",
    { schema: { summary: "Want no version of the agent: it stays as it is", tags: ["devices"], params: DeviceParams } },
    async (request) =>
      dispatcher.changeDesired(request.params.id, async ({ apps }, _revision, db) => {
        await audit(db, { at: now(), actor: "api", action: "agent.keep", detail: request.params.id });
        return { apps, agent: undefined };
      }),
  );
}
