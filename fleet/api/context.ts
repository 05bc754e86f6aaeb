/** What the routes work with; made in main.ts. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { Admission } from "#fleet/broker/admission.ts";
import type { Dispatcher } from "#fleet/dispatch/dispatcher.ts";
import type { Feed } from "#fleet/ingest/feed.ts";
import type { Live } from "#fleet/ingest/live.ts";
import type { Images } from "#fleet/registry/images.ts";
import type { Store } from "#fleet/store/store.ts";

export interface ApiContext {
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly feed: Feed;
  readonly live: Live;
  readonly images: Images;
  /** SHA-256 (hex) of the API token. */
  readonly tokenHash: string;
  /** Enrolments a second: a stolen list of guesses must not be tried at full speed. */
  readonly enrolments: Admission;
  readonly now: () => number;
  readonly newId: () => string;
  readonly newDeviceId: () => string;
  /** As told to devices that enrol. */
  readonly publicUrls: () => { readonly mqtt: string; readonly images: string };
  /** Ends a device's MQTT connection and takes back its retained desired state. */
  readonly expel: (device: string) => Promise<void>;
  readonly version: string;
}

export type Api = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;
