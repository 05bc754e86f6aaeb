/** Who we are for the controller, and whom we trust: the credentials that are there, or those that enrolment gives. */
import { readFile } from "node:fs/promises";
import { fullJitterMs, type Random } from "#agent/lib/backoff.ts";
import type { Clock } from "#agent/lib/clock.ts";
import { isLightvError, LightvError, messageOf } from "#agent/lib/errors.ts";
import type { Logger } from "#agent/lib/log.ts";
import type { Trust } from "#agent/lib/tls.ts";
import { type Credentials, loadCredentials, saveCredentials } from "./credentials.ts";
import { forgetPendingDeviceId, pendingDeviceId } from "./device-id.ts";

/** Keys of the configuration, under their names there. */
export interface AccessConfig {
  readonly root: string;
  readonly device: string | undefined;
  readonly controllerUrl: string | undefined;
  readonly enrollToken: string | undefined;
  readonly enrollTokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly tlsPin: string | undefined;
  readonly reconnectMaxMs: number;
}

export interface AccessOptions {
  readonly config: AccessConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly architecture: string;
  readonly agentVersion: string;
  /** The device has just got credentials, and they are on disk. */
  readonly onEnrolled: (device: string) => void;
}

export class Access {
  private readonly options: AccessOptions;
  private credentials: Credentials | undefined;
  private ca: string | undefined;

  constructor(options: AccessOptions) {
    this.options = options;
  }

  /** To be called once before anything else. Throws LV_CONFIG. */
  async load(): Promise<void> {
    const { root, caFile } = this.options.config;
    this.credentials = await loadCredentials(root);
    if (caFile !== undefined) this.ca = await readNamed("ca-file", caFile);
  }

  get trust(): Trust {
    return { ca: this.ca, pin: this.options.config.tlsPin?.replace("sha256:", "") };
  }

  device(): string | undefined {
    return this.credentials?.device;
  }

  /** Where images come from, and what opens the door there. */
  endpoint(): { imagesUrl: string; authorization: string; trust: Trust } | undefined {
    if (this.credentials === undefined) return undefined;
    const { device, password, imagesUrl } = this.credentials;
    return { imagesUrl, authorization: `Basic ${Buffer.from(`${device}:${password}`).toString("base64")}`, trust: this.trust };
  }

  /** What is there, or what enrolment gives, tried until it works. Undefined: this device has no controller. Throws LV_DENIED. */
  async obtain(signal: AbortSignal): Promise<Credentials | undefined> {
    const { config, clock, random, log } = this.options;
    for (let attempt = 0; this.credentials === undefined; attempt++) {
      const token = await this.token();
      if (config.controllerUrl === undefined || token === undefined) {
        log.warn("not enrolled: set controller-url and enroll-token-file to connect this device to a fleet");
        return undefined;
      }
      try {
        await this.enroll(config.controllerUrl, token, signal);
      } catch (error) {
        if (!isLightvError(error, "LV_UNAVAILABLE") || signal.aborted) throw error;
        const delayMs = 500 + fullJitterMs(attempt, { minMs: 1000, maxMs: config.reconnectMaxMs }, random);
        log.warn(messageOf(error), { retryInMs: delayMs });
        await clock.sleep(delayMs, signal);
      }
    }
    return this.credentials;
  }

  private async token(): Promise<string | undefined> {
    const { enrollToken, enrollTokenFile } = this.options.config;
    return enrollToken ?? (enrollTokenFile === undefined ? undefined : (await readNamed("enroll-token-file", enrollTokenFile)).trim());
  }

  private async enroll(controllerUrl: string, token: string, signal: AbortSignal): Promise<void> {
    const { config, architecture, agentVersion, log, onEnrolled } = this.options;
    const { enroll } = await import("./enroll.ts");
    const device = config.device ?? (await pendingDeviceId(config.root));
    const request = { controllerUrl, token, device, architecture, agentVersion };
    const credentials = await enroll({ ...request, ...this.trust }, signal);
    await saveCredentials(config.root, credentials);
    await forgetPendingDeviceId(config.root);
    this.credentials = credentials;
    onEnrolled(credentials.device);
    log.info("enrolled", { device: credentials.device });
  }
}

async function readNamed(key: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new LightvError("LV_CONFIG", `can't read ${path}: ${messageOf(error)}`, { hint: `check ${key}`, cause: error });
  }
}
