/** What a device is in the midst of when the power goes. Each begins something at the controller, as an operator would; nobody waits for it. */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "#agent/lib/clock.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import type { Reported } from "#agent/wire/protocol/reported.ts";
import { busyboxImageFile, type TestImageOptions } from "#test/lib/images.ts";
import type { Dice } from "../power-disk/random.ts";
import { DEVICE, type Life, WEB_PORT } from "./life.ts";

export const ACTIVITIES = ["deploy", "pull", "update", "remove", "logs", "self-update"] as const;
export type Activity = (typeof ACTIVITIES)[number];

/** Of the agent's own update; the device is brought there before the power goes. */
export const STAGES = ["pull", "unpack", "trial", "commit"] as const;
export type Stage = (typeof STAGES)[number];

/** Writes that a stage makes, about: a commit is a file and its directory, and the event of it. */
export const STAGE_WRITES: Readonly<Record<Stage, number>> = { pull: 60, unpack: 60, trial: 20, commit: 8 };

/** Writes to the disk that an activity makes, about: the cut comes within them. */
export const WRITES: Readonly<Record<Exclude<Activity, "self-update">, number>> = {
  deploy: 60,
  pull: 80,
  update: 50,
  remove: 30,
  logs: 50,
};

/** How long after its beginning the cut comes at the latest, on a processor of its own; emulated devices get more. Milliseconds. */
export const WINDOW_MS: Readonly<Record<Activity, number>> = {
  deploy: 4000,
  pull: 6000,
  update: 4000,
  remove: 2000,
  logs: 4000,
  "self-update": 3000,
};

/** An agent's update may take so long to come to its last stage, on a processor of its own. */
const STAGE_MS = 60_000;

const PULL_BYTES = 12 * 1024 * 1024;
const QUICK: Pick<App, "stopTimeoutMs" | "restart"> = {
  stopTimeoutMs: 1000,
  restart: { policy: "always", minDelayMs: 100, maxDelayMs: 2000 },
};

export class Activities {
  readonly #life: Life;
  #images = 0;

  constructor(life: Life) {
    this.#life = life;
  }

  /** What a new device begins with: an app that answers. */
  async first(): Promise<void> {
    await this.#life.desire([await this.#web("1")]);
  }

  /** And one that writes its log without end. */
  async chatter(): Promise<void> {
    const script = 'n=0; while :; do n=$((n+1)); echo "line $n of $$"; [ $((n % 50)) -eq 0 ] && sleep 0.2; done';
    const chatter: App = { name: "chatter", image: await this.#image({ cmd: ["/bin/sh", "-c", script] }), ...QUICK };
    await this.#life.desire([...this.#life.apps, chatter]);
  }

  async begin(activity: Activity, dice: Dice): Promise<void> {
    const { apps } = this.#life;
    const others = (name: string): App[] => apps.filter((app) => app.name !== name);
    switch (activity) {
      case "deploy": {
        const name = `extra-${dice.below(3)}`;
        return this.#life.desire([...others(name), await this.#idle(name, 1000)]);
      }
      case "pull":
        return this.#life.desire([...others("large"), await this.#idle("large", PULL_BYTES)]);
      case "update":
        return this.#life.desire([await this.#web(String(dice.below(1_000_000))), ...others("web")]);
      case "remove": {
        const left = apps.filter((app) => ["web", "chatter"].includes(app.name) || dice.next() < 0.5);
        return this.#life.desire(left);
      }
      case "logs":
        // Restarts make events, five for each: many commits of the outbox in a row.
        await Promise.all(["web", "chatter"].map((app) => this.#command(app)));
        return;
      case "self-update":
        return this.#life.upgrade(await this.#life.agents.push(this.#life.fleet));
      default:
        return activity satisfies never;
    }
  }

  /** Waits until the agent's update is in this stage, or past it. */
  async untilStage(stage: Stage): Promise<void> {
    const life = this.#life;
    const digest = life.wantedAgents.at(-1)?.digest;
    const end = performance.now() + STAGE_MS * life.machine.patience;
    let installs = false;
    while (performance.now() < end) {
      const view = await life.view();
      const agent = (view?.reported as Reported | null | undefined)?.agent;
      installs ||= agent?.phase === "installing";
      const own = agent?.digest === digest;
      // The agent that is to be tried says nothing before it has reached the controller; but the one before it goes.
      const stages = { pull: agent?.phase === "pulling", unpack: installs, trial: installs && view?.online === false, commit: own };
      const at = STAGES.indexOf(stage);
      if (STAGES.some((name, n) => n >= at && stages[name])) return;
      await sleep(50);
    }
  }

  async #command(app: string): Promise<void> {
    await this.#life.fleet.raw("POST", `/v1/devices/${DEVICE}/commands`, { type: "restart", app });
  }

  async #web(version: string): Promise<App> {
    const image = await this.#image({
      cmd: ["/bin/busybox", "httpd", "-f", "-p", String(WEB_PORT), "-h", "/www"],
      files: { "/www/version": `${version}\n` },
    });
    return { name: "web", image, network: "host", env: { VERSION: version }, ...QUICK };
  }

  /** An app that waits, with so many bytes that no other image has. */
  async #idle(name: string, bytes: number): Promise<App> {
    return { name, image: await this.#image({ cmd: ["/bin/sleep", "1000000"], files: { "/data": randomBytes(bytes) } }), ...QUICK };
  }

  async #image(options: TestImageOptions): Promise<App["image"]> {
    const file = join(this.#life.directory, `image-${++this.#images}.lv`);
    const { name, digest, size } = await busyboxImageFile(file, {
      ...options,
      name: `test-${this.#images}`,
      architecture: this.#life.base.platform,
      busybox: this.#life.base.busybox,
    });
    await this.#life.fleet.push(file);
    await rm(file);
    return { name, digest, size };
  }
}
