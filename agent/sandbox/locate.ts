/** Where the native parts lie: beside the bundle as installed, or in the development build. */
import { existsSync } from "node:fs";
import { LightvError } from "#agent/lib/errors.ts";

/** `given` by the flag `name`, or the first candidate that exists. Throws LV_USAGE. */
export function locate(given: string | undefined, name: string, candidates: readonly string[]): string {
  const found = [given, ...candidates].find((file) => file !== undefined && existsSync(file));
  if (given !== undefined && found !== given)
    throw new LightvError("LV_USAGE", `${given} does not exist`, { hint: `name ${name} where it lies` });
  if (found === undefined)
    throw new LightvError("LV_USAGE", `${name} was not found in ${candidates.join(", ")}`, {
      hint: "run npm run build, or name it by a flag",
    });
  return found;
}
