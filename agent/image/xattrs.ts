/** Which extended attributes an image keeps. */
import { isKeepable } from "./erofs/xattrs.ts";

/**
 * Those that mean the same on any machine: user.*, trusted.*, file capabilities and POSIX ACLs. Not the labels and hashes of the machine that
 * built it (security.selinux, security.ima), nor overlayfs's own marks, which would make it hide files.
 */
export function isKept(name: string): boolean {
  if (name.startsWith("security.")) return name === "security.capability";
  if (/^(trusted|user)\.overlay\./.test(name)) return false;
  return isKeepable(name);
}
