/**
 * Whether a sandbox can be started by this agent with the spawner and the monitor of the installed package: one is, and at once removed.
 * Its image is the payload that we came from, which holds a static program: whatever else is in the store belongs to apps.
 */
import type { SandboxEngine } from "#agent/sandbox/engine.ts";
import type { CreateRequest } from "#agent/sandbox/types.ts";

const NAME = "lightv-agent-proof";
const MEMORY_BYTES = 64 * 1024 * 1024;

type Engine = Pick<SandboxEngine, "create" | "start" | "list" | "remove">;

/** False: the payload is not in the store any more, so there is nothing to start. Throws why no sandbox starts. */
export async function proveSandbox(engine: Engine, hasImage: (digest: string) => Promise<boolean>, digest: string): Promise<boolean> {
  // What a proof left that was killed halfway.
  await removeProof(engine);
  if (!(await hasImage(digest))) return false;
  try {
    await engine.start(await engine.create(request(digest)));
  } finally {
    await removeProof(engine);
  }
  return true;
}

/** Of this name and ours: nothing that an app or a person made. */
export async function removeProof(engine: Pick<Engine, "list" | "remove">): Promise<void> {
  for (const { id, name, annotations } of await engine.list())
    if (name === NAME && annotations[NAME] !== undefined) await engine.remove(id);
}

function request(digest: string): CreateRequest {
  return {
    name: NAME,
    image: digest,
    entrypoint: ["/bin/lightv", "--version"],
    env: [],
    network: "none",
    mounts: [],
    limits: { memoryMax: MEMORY_BYTES },
    oomScoreAdj: 0,
    labels: {},
    annotations: { [NAME]: digest },
  };
}
