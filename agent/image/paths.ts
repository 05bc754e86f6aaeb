/** Paths of entries: relative to the image's root whatever they look like. */

/** Bytes of a name (NAME_MAX), and of a link's target (PATH_MAX without its end). */
export const NAME_MAX = 255;
export const TARGET_MAX = 4095;
/** A deeper tree is no program's; the walks recurse. */
export const PATH_DEPTH_MAX = 1024;

/** Components, with `.` and empty ones dropped and `..` resolved, never above the root: what a tar says, not where links lead. */
export function splitPath(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts;
}
