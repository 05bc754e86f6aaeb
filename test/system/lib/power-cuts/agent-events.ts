/** What a device tells of its agent's updates, over power cuts: each thing once, and in the end what became of it. Pure. */
import type { Reported } from "#agent/wire/protocol/reported.ts";
import type { DeviceView, EventView } from "#test/lib/world.ts";

/** native/slots/decide.cpp: the power went in each of the boots in which it was tried. */
export const GIVEN_UP = /cut off in each of \d+ boots/;

const TYPES = ["agent.update-started", "agent.updated", "agent.rolled-back", "agent.update-failed"] as const;

/** The payload that the device has told to be in force, by its last report or by an event that is newer; undefined: the installed agent. */
export function agentInForce(view: DeviceView | undefined, events: readonly EventView[]): string | undefined {
  const updated = events.filter(({ type }) => type === "agent.updated").map(({ data }) => String(data.digest));
  const agent = (view?.reported as Reported | null | undefined)?.agent;
  const reported = agent?.phase === "trial" ? undefined : agent?.digest;
  // A report that is older than the event names one that was in force before.
  return reported !== undefined && !updated.includes(reported) ? reported : updated.at(-1);
}

/** Has the device told what became of this payload? */
export function isToldOf(events: readonly EventView[], digest: string): boolean {
  return events.some(({ type, data }) => data.digest === digest && (type === "agent.updated" || type === "agent.rolled-back"));
}

/** `wanted`: every payload that was ever desired, the last one last; each was waited for. Gives complaints. */
export function checkAgentEvents(events: readonly EventView[], wanted: readonly string[]): string[] {
  return wanted.flatMap((digest) => {
    const told = Object.fromEntries(TYPES.map((type) => [type, events.filter((one) => one.type === type && one.data.digest === digest)]));
    const count = (type: (typeof TYPES)[number]): number => told[type]?.length ?? 0;
    const givenUp = (told["agent.rolled-back"] ?? []).every(({ data }) => GIVEN_UP.test(String(data.reason)));
    const isWell =
      count("agent.update-started") === 1 &&
      count("agent.updated") + count("agent.rolled-back") === 1 &&
      count("agent.update-failed") === 0 &&
      givenUp;
    return isWell ? [] : [`of the agent ${digest} was told: ${JSON.stringify(Object.values(told).flat())}`];
  });
}
