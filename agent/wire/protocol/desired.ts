/** `desired`: the whole of what a device shall run. The device persists it before it acts. A lower revision than the one it has is refused. */
import { type Static, Type } from "typebox";
import { App } from "./app.ts";
import { Count, Digest, Timestamp, Version } from "./common.ts";

/** The agent that the device shall run: an image whose root is the agent's tree (docs/update.md). Absent: whichever it runs. */
export const DesiredAgent = Type.Object({
  version: Version,
  digest: Digest,
  /** Bytes of the .lv file. */
  size: Count,
  /** GOARCH name. */
  architecture: Type.String({ pattern: "^[a-z0-9]{1,32}$" }),
  /** Ed25519 over the text of docs/update.md, base64. */
  signature: Type.String({ pattern: "^[A-Za-z0-9+/]{86}==$" }),
  /** The first 16 hexadecimal digits of the SHA-256 of the raw public key. */
  key: Type.String({ pattern: "^[0-9a-f]{16}$" }),
  /** Grows when an operator wants one that has failed to be tried again. */
  attempt: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
});
export type DesiredAgent = Static<typeof DesiredAgent>;

export const Desired = Type.Object({
  revision: Count,
  issuedAt: Timestamp,
  apps: Type.Array(App, { maxItems: 128 }),
  agent: Type.Optional(DesiredAgent),
});
export type Desired = Static<typeof Desired>;
