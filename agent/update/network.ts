/** Whether this device has a network at all, whatever can be reached through it. Pure. */
import type { NetworkInterfaceInfo } from "node:os";

/** RFC 3927, RFC 4291 2.5.6: addresses that a device gives to itself when nobody answers. */
const SELF_MADE = /^(169\.254\.|fe[89ab][0-9a-f]:)/i;

/** `interfaces`: what os.networkInterfaces() gives, which are those that are up. */
export function hasNetwork(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): boolean {
  const all = Object.values(interfaces).flatMap((addresses) => addresses ?? []);
  return all.some(({ internal, address }) => !internal && !SELF_MADE.test(address));
}
