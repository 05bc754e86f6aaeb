/** The only loader of the native addon. */
import { createRequire } from "node:module";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { Native } from "./native.ts";

/** Loads lightv.node. Throws LV_INTERNAL that names the file. */
export function loadNative(file: string): Native {
  try {
    return createRequire(import.meta.url)(file) as Native;
  } catch (error) {
    throw new LightvError("LV_INTERNAL", `can't load the native addon ${file}: ${messageOf(error)}`, {
      hint: "name it with --addon; npm run build makes it",
      cause: error,
    });
  }
}
