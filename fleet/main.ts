/** lightv-fleet, the fleet controller: reads the configuration, puts the parts together, runs until SIGTERM. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { customAlphabet } from "nanoid";
import { readFileIfExists, writeFileAtomic } from "#agent/lib/atomic-file.ts";
import { errnoOf, isLightvError, LightvError, messageOf } from "#agent/lib/errors.ts";
import { createLogger, type Logger } from "#agent/lib/log.ts";
import { checkPassword } from "#fleet/api/auth.ts";
import { type ApiServer, serve } from "#fleet/api/server.ts";
import { Admission } from "#fleet/broker/admission.ts";
import { EmbeddedBroker } from "#fleet/broker/embedded.ts";
import { ExternalBroker } from "#fleet/broker/external.ts";
import type { Broker, Refusal } from "#fleet/broker/port.ts";
import { type FleetConfig, readConfig } from "#fleet/config/config.ts";
import { Dispatcher } from "#fleet/dispatch/dispatcher.ts";
import { Feed } from "#fleet/ingest/feed.ts";
import { Ingest } from "#fleet/ingest/ingest.ts";
import { Live } from "#fleet/ingest/live.ts";
import { Images } from "#fleet/registry/images.ts";
import { audit, trimAudit } from "#fleet/store/audit.ts";
import { dropCommands } from "#fleet/store/commands.ts";
import { allOffline } from "#fleet/store/devices.ts";
import { dropEvents } from "#fleet/store/events.ts";
import { hashSecret, makeSecret } from "#fleet/store/secrets.ts";
import { Store } from "#fleet/store/store.ts";
import manifest from "../package.json" with { type: "json" };

/** No hyphen or underscore: an id is also a word of a command line, and must not look like a flag there. */
const newId = customAlphabet("0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 21);
const DEFAULT_CONFIG = "/etc/lightv/lightv-fleet.conf";
/** Exit code of a wrong flag or configuration. */
const USAGE = 2;
const SWEEP_MS = 1_000;
const RETENTION_MS = 3_600_000;
/** A drain that takes longer is cut: what was not acknowledged is sent again by the devices. */
const DRAIN_MS = 10_000;

interface Running {
  stop(): Promise<void>;
}

async function start(config: FleetConfig, log: Logger): Promise<Running> {
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const now = (): number => Date.now();
  const store = await Store.open(join(config.dataDir, "fleet.db"));
  const feed = new Feed();
  const live = new Live();
  const broker = await makeBroker(config, store);
  const dispatcher = new Dispatcher({ store, broker, now });
  const ingest = new Ingest({ store, dispatcher, feed, live, now, onProblem: (text) => log.error(text) });
  const images = new Images({ directory: config.dataDir, store, maxBytes: config.maxImageBytes, now, newId });
  const onRefused = ({ action, actor, detail }: Refusal): void => {
    live.refused(action);
    log.warn("refused", { action, actor, detail });
    if ((live.counters.refused[action] ?? 0) <= 1000) note(store, { at: now(), actor, action, detail }, log);
  };
  let api: ApiServer | undefined;
  const stop = async (): Promise<void> => {
    await api?.close();
    await broker.stop();
    await ingest.stop();
    await store.close();
  };
  try {
    if (broker.embedded) await allOffline(store.db);
    await images.start();
    const token = await apiToken(config.dataDir, log);
    await broker.start({
      onMessage: (message) => ingest.take(message),
      onRefused,
      onConnected: () => {
        dispatcher.greetAll().catch((error: unknown) => log.error("the devices could not be greeted", { error: messageOf(error) }));
      },
    });
    const urls = { mqtt: "", images: "" };
    api = await serve({
      listen: config.api.listen,
      tls: await readTls(config.api.tls),
      onDefect: (error, request) => log.error("a request failed", { request, error: error instanceof Error ? error.stack : String(error) }),
      context: {
        store,
        dispatcher,
        feed,
        live,
        images,
        now,
        tokenHash: hashSecret(token),
        enrolments: new Admission(20, 100, () => performance.now()),
        newId,
        newDeviceId: customAlphabet("0123456789abcdefghijkmnpqrstuvwxyz", 12),
        publicUrls: () => urls,
        expel: async (device) => {
          broker.disconnect(device);
          await broker.send(device, "desired", "", { retain: true });
        },
        version: manifest.version,
      },
    });
    const endpoints = endpointsOf(config, broker, api.port);
    // Before anybody can read where we are: who enrols at once is told the right addresses.
    Object.assign(urls, { mqtt: endpoints.mqttPublic, images: `${endpoints.api}/v1/images` });
    await writeFileAtomic(join(config.dataDir, "endpoints.json"), `${JSON.stringify(endpoints)}\n`);
    log.info("ready", { ...endpoints, token: join(config.dataDir, "api-token") });
  } catch (error) {
    await stop();
    throw error;
  }
  const timers = keepHouse({ config, store, dispatcher, now, log });
  return {
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      await stop();
    },
  };
}

async function makeBroker({ mqtt }: FleetConfig, store: Store): Promise<Broker> {
  if (mqtt.external !== undefined) {
    const { url, username, passwordFile, caFile } = mqtt.external;
    const password = passwordFile === undefined ? undefined : (await readSecretFile(passwordFile)).toString("utf8").trim();
    const ca = caFile === undefined ? undefined : await readSecretFile(caFile);
    return new ExternalBroker({ url, username, password, ca, clientId: `lightv-fleet-${newId(10)}` });
  }
  const tls = await readTls(mqtt.tls);
  return new EmbeddedBroker({
    listeners: mqtt.listeners.map(({ kind, at }) => ({ kind, at, tls })),
    admission: new Admission(mqtt.connectsPerSecond, 2 * mqtt.connectsPerSecond, () => performance.now()),
    checkPassword: (device, password) => checkPassword(store.db, device, password),
  });
}

async function readTls(files: { cert: string; key: string } | undefined): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  return files === undefined ? undefined : { cert: await readSecretFile(files.cert), key: await readSecretFile(files.key) };
}

async function readSecretFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new LightvError("LV_CONFIG", `cannot read ${path}: ${messageOf(error)}`, { hint: "check the path and its owner", cause: error });
  }
}

/** Made at the first start. */
async function apiToken(dataDir: string, log: Logger): Promise<string> {
  const path = join(dataDir, "api-token");
  const token = makeSecret("lva_");
  try {
    await writeFile(path, `${token}\n`, { flag: "wx", mode: 0o600 });
    log.info("made the API token", { path });
    return token;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  const known = (await readFile(path, "utf8")).trim();
  if (known.length < 32)
    throw new LightvError("LV_CONFIG", `${path} holds no token`, { hint: "delete it: a new one is made at the next start" });
  return known;
}

interface Endpoints extends Readonly<Record<string, string | number>> {
  readonly api: string;
  readonly mqttPublic: string;
}

/** Where everything is, for the log and DATA-DIR/endpoints.json: ports may have been chosen by the kernel. */
function endpointsOf(config: FleetConfig, broker: Broker, apiPort: number): Endpoints {
  const name = (host: string): string => (host === "0.0.0.0" || host === "::" ? hostname() : host.includes(":") ? `[${host}]` : host);
  const api = config.api.publicUrl ?? `${config.api.tls === undefined ? "http" : "https"}://${name(config.api.listen.host)}:${apiPort}`;
  const ports = broker instanceof EmbeddedBroker ? broker.ports : {};
  const listeners = config.mqtt.listeners.map(({ kind, at }) => [kind, `${kind}://${name(at.host)}:${ports[kind] ?? at.port}`] as const);
  const mqttPublic = config.mqtt.publicUrl ?? listeners[0]?.[1] ?? "";
  return { pid: process.pid, api, mqttPublic, ...Object.fromEntries(listeners) };
}

interface HousekeepingOptions {
  readonly config: FleetConfig;
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly now: () => number;
  readonly log: Logger;
}

function keepHouse({ config, store, dispatcher, now, log }: HousekeepingOptions): NodeJS.Timeout[] {
  const guarded = (work: () => Promise<unknown>) => (): void => {
    work().catch((error: unknown) => log.error("housekeeping failed", { error: messageOf(error) }));
  };
  const retain = async (): Promise<void> => {
    await dropEvents(store.db, now() - config.keepEventsMs);
    await dropCommands(store.db, now() - config.keepEventsMs);
    await trimAudit(store.db);
  };
  return [
    setInterval(
      guarded(() => dispatcher.sweep()),
      SWEEP_MS,
    ),
    setInterval(guarded(retain), RETENTION_MS),
  ];
}

function note(store: Store, entry: Parameters<typeof audit>[1], log: Logger): void {
  audit(store.db, entry).catch((error: unknown) => log.error("the audit could not be written", { error: messageOf(error) }));
}

async function run(options: { config?: string; checkConfig?: boolean; set?: string[]; dataDir?: string }): Promise<void> {
  const file = options.config ?? DEFAULT_CONFIG;
  const text = await readFileIfExists(file);
  if (text === undefined && options.config !== undefined)
    throw new LightvError("LV_CONFIG", `cannot read the configuration file ${file}: it does not exist`, { hint: "check --config" });
  const flags = [...(options.dataDir === undefined ? [] : [`data-dir=${options.dataDir}`]), ...(options.set ?? [])];
  const config = readConfig(text ?? "", file, flags);
  if (options.checkConfig) {
    process.stdout.write(
      `${text === undefined ? "there is no configuration file; the defaults are" : `${file}: the configuration is`} right\n`,
    );
    return;
  }
  const log = createLogger({
    level: config.logLevel,
    journald: process.env.JOURNAL_STREAM !== undefined,
    write: (line) => process.stderr.write(line),
    wall: () => new Date().toISOString(),
  });
  const starting = start(config, log);
  const end = (signal: string): void => {
    log.info("stopping", { signal });
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    starting
      .then((running) => running.stop())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          log.error("could not stop in order", { error: messageOf(error) });
          process.exit(1);
        },
      );
  };
  // From the first moment on: a signal while the parts come up ends them in order, too.
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
  await starting;
}

const program = new Command("lightv-fleet")
  .description("The fleet controller: MQTT broker, store, REST API, event stream and image endpoint.")
  .version(manifest.version)
  .option("--config <file>", `configuration file (default: ${DEFAULT_CONFIG}, when it exists)`)
  .option("--data-dir <dir>", "where the database and the images are kept")
  .option("--set <key=value>", "a key of the configuration, over the file; may be given again", (value, all: string[] = []) => [
    ...all,
    value,
  ])
  .option("--check-config", "check the configuration, say what is wrong, and end")
  .addHelpText("after", "\nExit codes: 0 ended by a signal, 1 failed, 2 wrong flag or configuration.")
  .showHelpAfterError("(see lightv-fleet --help)")
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "lightv-fleet: ")) })
  .exitOverride()
  .action(run);

program.parseAsync().catch((error: unknown) => {
  // --help, or a wrong flag: commander has said it.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : USAGE);
  process.stderr.write(`lightv-fleet: ${isLightvError(error) ? messageOf(error) : error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(isLightvError(error, "LV_USAGE") || isLightvError(error, "LV_CONFIG") ? USAGE : 1);
});
