/** The launcher's count of agents that ended before the controller had heard of them (native/slots/ends.hpp). */
import { rm } from "node:fs/promises";
import { join } from "node:path";

/** This agent was heard: the row of bad ends is over. */
export async function forgetEnds(runroot: string): Promise<void> {
  await rm(join(runroot, "agent-ends.json"), { force: true });
}
