/** Enrolment, by HTTP: a device shows a token once and gets credentials of its own. */
import { type Static, Type } from "typebox";

const DeviceId = Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,62}$" });

export const EnrollRequest = Type.Object({
  token: Type.String({ minLength: 16, maxLength: 256 }),
  /** Wanted id; absent: the controller makes one. An id that exists is given again only to the holder of its password. */
  device: Type.Optional(DeviceId),
  architecture: Type.String({ maxLength: 32 }),
  agentVersion: Type.String({ maxLength: 64 }),
});
export type EnrollRequest = Static<typeof EnrollRequest>;

export const EnrollResponse = Type.Object({
  device: DeviceId,
  /** MQTT user name is the device id; the same pair is HTTP Basic for the image endpoint. */
  password: Type.String({ minLength: 32, maxLength: 256 }),
  mqttUrl: Type.String({ maxLength: 2048 }),
  imagesUrl: Type.String({ maxLength: 2048 }),
});
export type EnrollResponse = Static<typeof EnrollResponse>;
