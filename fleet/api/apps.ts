/** /v1/devices/{id}/desired and /apps: what a device shall run. */
import { Type } from "typebox";
import { LightvError } from "#agent/lib/errors.ts";
import { App, type App as AppType } from "#agent/wire/protocol/app.ts";
import { AppName } from "#agent/wire/protocol/common.ts";
import { audit } from "#fleet/store/audit.ts";
import { getDesired } from "#fleet/store/desired.ts";
import { findDevice } from "#fleet/store/devices.ts";
import { findImage, findImageByName, type ImageRow } from "#fleet/store/images.ts";
import type { Db } from "#fleet/store/schema.ts";
import type { Api, ApiContext } from "./context.ts";
import { DeviceParams, noDevice } from "./devices.ts";

const AppParams = Type.Object({ ...DeviceParams.properties, app: AppName });
/** An app as people write it: the image by its name or digest, the rest as the device gets it. */
const AppBody = Type.Object(
  { ...Type.Omit(App, ["name", "image"]).properties, image: Type.String({ minLength: 1, maxLength: 255 }) },
  { additionalProperties: false },
);
const DesiredBody = Type.Object(
  { apps: Type.Array(App, { maxItems: 128 }), expectedRevision: Type.Optional(Type.Integer({ minimum: 0 })) },
  { additionalProperties: false },
);

export function appRoutes(api: Api, context: ApiContext): void {
  const { store, dispatcher, now } = context;
  const noted = (db: Db, action: string, detail: string): Promise<void> => audit(db, { at: now(), actor: "api", action, detail });

  api.get("/v1/devices/:id/desired", { schema: { summary: "Desired state", tags: ["apps"], params: DeviceParams } }, async (request) => {
    const desired = await getDesired(store.db, request.params.id);
    if (desired === undefined) throw noDevice(request.params.id);
    return desired;
  });

  api.put(
    "/v1/devices/:id/desired",
    { schema: { summary: "Replace the desired state", tags: ["apps"], params: DeviceParams, body: DesiredBody } },
    async (request) => {
      const { apps, expectedRevision } = request.body;
      refuseTwins(apps);
      return dispatcher.setDesired(
        request.params.id,
        async (_before, db) => {
          for (const { image } of apps)
            if (image.url === undefined) await refuseForeign(db, request.params.id, await byDigest(db, image.digest));
          await noted(db, "desired.put", request.params.id);
          return apps;
        },
        expectedRevision,
      );
    },
  );

  api.put(
    "/v1/devices/:id/apps/:app",
    { schema: { summary: "Deploy an app, or change it", tags: ["apps"], params: AppParams, body: AppBody } },
    async (request) => {
      const { id, app: name } = request.params;
      return dispatcher.setDesired(id, async (before, db) => {
        const row = await resolve(db, request.body.image);
        await refuseForeign(db, id, row);
        const app: AppType = { ...request.body, name, image: { name: row.name, digest: row.digest, size: row.size } };
        await noted(db, "app.deploy", `${id} ${name} ${row.digest}`);
        const at = before.findIndex((other) => other.name === name);
        return at < 0 ? [...before, app] : before.with(at, app);
      });
    },
  );

  api.delete(
    "/v1/devices/:id/apps/:app",
    { schema: { summary: "Remove an app from a device", tags: ["apps"], params: AppParams } },
    async (request) => {
      const { id, app: name } = request.params;
      return dispatcher.setDesired(id, async (before, db) => {
        if (!before.some((app) => app.name === name))
          throw new LightvError("LV_NOT_FOUND", `no app "${name}" on ${id}`, { hint: "`lightv fleet apps` lists them" });
        await noted(db, "app.remove", `${id} ${name}`);
        return before.filter((app) => app.name !== name);
      });
    },
  );
}

function refuseTwins(apps: readonly AppType[]): void {
  const twin = apps.find((app, at) => apps.findIndex((other) => other.name === app.name) !== at);
  if (twin !== undefined)
    throw new LightvError("LV_USAGE", `the app "${twin.name}" is given twice`, { hint: "names are unique on a device" });
}

/** The device would only pull it to refuse it. */
export async function refuseForeign(db: Db, device: string, image: ImageRow): Promise<void> {
  const architecture = (await findDevice(db, device))?.architecture;
  if (architecture === undefined || architecture === image.architecture) return;
  throw new LightvError("LV_IMAGE_PLATFORM", `image ${image.name} is for ${image.architecture}, and ${device} is ${architecture}`, {
    hint: `push and deploy an image for ${architecture}`,
  });
}

async function byDigest(db: Db, digest: string): Promise<ImageRow> {
  const row = await findImage(db, digest);
  if (row === undefined) throw noImage(digest);
  return row;
}

export async function resolve(db: Db, reference: string): Promise<ImageRow> {
  if (reference.startsWith("sha256:")) return byDigest(db, reference);
  const row = await findImageByName(db, withTag(reference));
  if (row === undefined) throw noImage(reference);
  return row;
}

/** As in Docker: no tag means `latest`. */
export function withTag(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1).includes(":") ? name : `${name}:latest`;
}

function noImage(reference: string): LightvError {
  return new LightvError("LV_NOT_FOUND", `no image "${reference}" on the controller`, { hint: "push it first: `lightv fleet push IMAGE`" });
}
