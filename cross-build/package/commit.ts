/** Which commit is built, and its time: the one time that anything in a package may have. */
import { run } from "../run.ts";

export interface Commit {
  /** 40 hexadecimal digits, and "-dirty" behind them when the tree has changes; "unknown" outside of a repository. */
  readonly id: string;
  /** Seconds since 1970; SOURCE_DATE_EPOCH wins. */
  readonly epoch: number;
}

/** `sourceDateEpoch`: the environment's, as text. Throws when it is no number. */
export function readCommit(top: string, sourceDateEpoch: string | undefined): Commit {
  const given = sourceDateEpoch ?? "";
  if (!/^\d{0,12}$/.test(given)) throw new Error(`SOURCE_DATE_EPOCH is "${given}": it takes seconds since 1970, digits only`);
  try {
    const [id = "", time = "0"] = run("git", ["-C", top, "log", "-1", "--format=%H %ct"]).trim().split(" ");
    const changed = run("git", ["-C", top, "status", "--porcelain"]).trim() !== "";
    return { id: changed ? `${id}-dirty` : id, epoch: given === "" ? Number(time) : Number(given) };
  } catch {
    // An archive of the sources has no history.
    return { id: "unknown", epoch: Number(given) };
  }
}
