/** How this agent was started: what `lightv agent-launch` says in the environment (native/slots/launch.cpp). */

export const SLOTS = ["usr", "a", "b"] as const;
export type Slot = (typeof SLOTS)[number];

export interface Launch {
  /** The tree that runs. */
  readonly slot: Slot;
  /** ROOT/agent/slots; undefined: nobody launched us, so that nobody would launch another version. */
  readonly directory: string | undefined;
  /** Version of the usr tree. */
  readonly base: string;
  /** This is the one try that this boot allows. */
  readonly trial: boolean;
}

export function launchOf(env: Readonly<Record<string, string | undefined>>): Launch {
  const slot = SLOTS.find((name) => name === env.LIGHTV_AGENT_SLOT);
  const directory = env.LIGHTV_AGENT_SLOTS;
  const base = env.LIGHTV_AGENT_BASE;
  if (slot === undefined || directory === undefined || base === undefined)
    return { slot: "usr", directory: undefined, base: "", trial: false };
  return { slot, directory, base, trial: slot !== "usr" && env.LIGHTV_AGENT_TRIAL === "1" };
}
