/** What an agent does about the version that it shall have: a pure function of what is wanted, what is on record and what runs. */
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import type { Launch, Slot } from "./launch.ts";
import { failureOf, freeSlot, type SlotState } from "./state.ts";

/** Of a signature, by the keys in update-keys-dir. */
export type Trust = "good" | "no-keys" | "unknown-key" | "forged";

export interface Situation {
  readonly wanted: DesiredAgent | undefined;
  readonly state: SlotState | undefined;
  readonly launch: Launch;
  /** GOARCH name. */
  readonly architecture: string;
  readonly trust: Trust;
  readonly keysDirectory: string;
}

export type UpdatePlan =
  /** Nothing is wanted, or it runs already. */
  | { readonly do: "nothing" }
  /** It is wanted, and can't be had: for good, until something else is wanted or configured. */
  | { readonly do: "refuse"; readonly reason: string; readonly event: boolean }
  /** On record as failed. */
  | { readonly do: "remember"; readonly reason: string }
  /** We are the new version, and have yet to show it. */
  | { readonly do: "prove" }
  /** Everything is in place but the launcher has not tried it: it could not write. */
  | { readonly do: "relaunch" }
  /** It was tried, and there was no network to report through: again, once there is. */
  | { readonly do: "resume" }
  | { readonly do: "install"; readonly slot: "a" | "b" };

export function plan(situation: Situation): UpdatePlan {
  const { wanted, state, launch } = situation;
  if (launch.trial && state?.trial?.slot === launch.slot) return { do: "prove" };
  if (wanted === undefined || wanted.digest === runningDigest(state, launch.slot)) return { do: "nothing" };
  if (launch.directory === undefined)
    return refuse("this agent was not started by `lightv agent-launch`, so nobody would start another version: use lightvd.service", false);
  const failure = failureOf(state, wanted);
  if (failure !== undefined)
    return { do: "remember", reason: `version ${wanted.version} ${failure.wasTried ? "was rolled back" : "failed"}: ${failure.reason}` };
  const why = unfit(situation, wanted);
  if (why !== undefined) return refuse(why, true);
  if (state?.trial?.digest === wanted.digest && (state.trial.attempt ?? 0) === (wanted.attempt ?? 0))
    return { do: state.trial.waits === true ? "resume" : "relaunch" };
  return { do: "install", slot: freeSlot(launch.slot) };
}

/** The payload that a slot's tree came from; undefined for the installed tree. */
export function runningDigest(state: SlotState | undefined, slot: Slot): string | undefined {
  return slot === "usr" ? undefined : state?.proven?.[slot]?.digest;
}

function unfit({ architecture, trust, keysDirectory }: Situation, wanted: DesiredAgent): string | undefined {
  if (wanted.architecture !== architecture)
    return `LV_IMAGE_PLATFORM: version ${wanted.version} is for ${wanted.architecture}, and this device is ${architecture}`;
  switch (trust) {
    case "no-keys":
      return `LV_DENIED: no key in ${keysDirectory}: put the public key that agents are signed with there, as a .pem file`;
    case "unknown-key":
      return `LV_DENIED: version ${wanted.version} is signed with key ${wanted.key}, which is not in ${keysDirectory}`;
    case "forged":
      return `LV_DENIED: the signature of version ${wanted.version} is wrong`;
    default:
      trust satisfies "good";
      return undefined;
  }
}

function refuse(reason: string, event: boolean): UpdatePlan {
  return { do: "refuse", reason, event };
}
