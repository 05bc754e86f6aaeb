/** Waits for what a device tells of its apps, through the controller, as a person would see it. */
import type { AppReport } from "#agent/wire/protocol/reported.ts";
import { type EventView, until, type World } from "./world.ts";

export class AppWatch {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** The app's report once `match` holds for it. */
  reported(name: string, match: (report: AppReport) => boolean, timeoutMs = 60_000): Promise<AppReport> {
    let last: AppReport | undefined;
    const ask = async (): Promise<AppReport | undefined> => {
      last = await this.#world.appReport(name);
      return last !== undefined && match(last) ? last : undefined;
    };
    return until(`app ${name} in the wanted state`, ask, timeoutMs, () => `${JSON.stringify(last)}\n${this.#world.agentLog()}`);
  }

  /** The events of a type and an app, once there is one. */
  told(type: string, app?: string, timeoutMs = 60_000): Promise<EventView[]> {
    const ask = async (): Promise<EventView[] | undefined> => {
      const found = (await this.#world.events()).filter((event) => event.type === type && event.app === app);
      return found.length > 0 ? found : undefined;
    };
    return until(`an event ${type} of ${app ?? "the device"}`, ask, timeoutMs, () => this.#world.agentLog());
  }
}
