/** The slots' record, ROOT/agent/slots/state.json, as the launcher (native/slots/state.hpp) reads it: the two must agree. Pure. */
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import type { Slot } from "./launch.ts";

const SlotName = Type.Union([Type.Literal("usr"), Type.Literal("a"), Type.Literal("b")]);
const Payload = { version: Type.String(), digest: Type.String(), attempt: Type.Optional(Type.Integer({ minimum: 0 })) };

const ProvenTree = Type.Object({ ...Payload, told: Type.Optional(Type.Boolean()), crashed: Type.Optional(Type.Boolean()) });
const Trial = Type.Object({
  ...Payload,
  slot: Type.Union([Type.Literal("a"), Type.Literal("b")]),
  tries: Type.Array(Type.String()),
  /** It found no network, and is to be tried when there is one. */
  waits: Type.Optional(Type.Boolean()),
  deadlineMs: Type.Integer({ minimum: 0 }),
});
const FailedUpdate = Type.Object({
  ...Payload,
  reason: Type.String(),
  at: Type.String(),
  wasTried: Type.Optional(Type.Boolean()),
  told: Type.Optional(Type.Boolean()),
});
export const SlotState = Type.Object({
  base: Type.String(),
  committed: SlotName,
  trial: Type.Optional(Type.Union([Trial, Type.Null()])),
  proven: Type.Optional(Type.Object({ a: Type.Optional(ProvenTree), b: Type.Optional(ProvenTree) })),
  failed: Type.Optional(Type.Array(FailedUpdate)),
});
export type SlotState = Static<typeof SlotState>;
export type FailedUpdate = Static<typeof FailedUpdate>;
export type Trial = Static<typeof Trial>;

/** As native/slots/state.hpp. */
const MAX_FAILED = 16;
/** The launcher takes no half of a surrogate pair, which a cut can leave. */
const MAX_REASON = 512;

/** Undefined for what is no such record. */
export function parseSlotState(text: string): SlotState | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Value.Check(SlotState, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The other slot, or a when the installed agent runs. */
export function freeSlot(running: Slot): "a" | "b" {
  return running === "a" ? "b" : "a";
}

/** What runs is in force, and the slot that is about to be filled is nothing any more. */
export function beginInstall(state: SlotState, running: Slot, slot: "a" | "b"): SlotState {
  const { [slot]: _gone, ...proven } = state.proven ?? {};
  return { ...state, committed: running, trial: null, proven };
}

export function beginTrial(state: SlotState, slot: "a" | "b", wanted: DesiredAgent, deadlineMs: number): SlotState {
  const { version, digest, attempt = 0 } = wanted;
  return { ...state, trial: { slot, version, digest, attempt, tries: [], deadlineMs } };
}

/** There is a network now: the launcher may try what has waited for one. */
export function resumeTrial(state: SlotState): SlotState {
  const { trial } = state;
  return trial === undefined || trial === null ? state : { ...state, trial: { ...trial, waits: false } };
}

/** The agent on trial has reported: it is what runs from now on. */
export function commitTrial(state: SlotState): SlotState {
  const { trial } = state;
  if (trial === undefined || trial === null) return state;
  const { slot, version, digest, attempt } = trial;
  const failed = (state.failed ?? []).filter((one) => one.digest !== digest);
  const proven = { ...state.proven, [slot]: { version, digest, attempt, told: false } };
  return { ...state, committed: slot, trial: null, proven, failed };
}

/** A payload that did not get as far as a trial, and that is not to be tried again by itself. */
export function addFailed(state: SlotState, { version, digest, attempt = 0 }: DesiredAgent, reason: string, at: string): SlotState {
  const others = (state.failed ?? []).filter((one) => one.digest !== digest);
  const entry: FailedUpdate = {
    version,
    digest,
    attempt,
    reason: reason.slice(0, MAX_REASON).toWellFormed(),
    at,
    wasTried: false,
    told: false,
  };
  return { ...state, failed: [...others, entry].slice(-MAX_FAILED) };
}

export function failureOf(state: SlotState | undefined, wanted: DesiredAgent): FailedUpdate | undefined {
  return state?.failed?.find((one) => one.digest === wanted.digest && (one.attempt ?? 0) >= (wanted.attempt ?? 0));
}

/** The record without a trial that nobody wants any more and that this boot has not begun; undefined: there is none. */
export function withoutTrial(state: SlotState, bootId: string): SlotState | undefined {
  const { trial } = state;
  return trial === undefined || trial === null || trial.tries.includes(bootId) ? undefined : { ...state, trial: null };
}

/** Key of agent.update-started. Good until the update has an end that is told. */
export function startedKey({ digest, attempt = 0 }: Pick<DesiredAgent, "digest" | "attempt">): string {
  return `agent-update-started:${digest}:${attempt}`;
}

/** Key of agent.update-delayed: told once for each update that is asked for. */
export function delayedKey({ digest, attempt = 0 }: Pick<DesiredAgent, "digest" | "attempt">): string {
  return `agent-update-delayed:${digest}:${attempt}`;
}

/** Everything in the record that has become an event. */
export function allTold(state: SlotState): SlotState {
  const proven = Object.fromEntries(Object.entries(state.proven ?? {}).map(([slot, tree]) => [slot, { ...tree, told: true }]));
  return { ...state, proven, failed: (state.failed ?? []).map((one) => ({ ...one, told: true })) };
}
