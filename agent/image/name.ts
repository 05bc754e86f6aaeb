/** Names of images: NAME[:TAG] by Docker's rules (distribution/reference), as the native store has them. */
import { LightvError } from "#agent/lib/errors.ts";

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::\d+)?$/;
const TAG = /^\w[\w.-]{0,127}$/;

/** NAME:TAG with the tag filled in. Throws LV_USAGE. */
export function normalizeImageName(name: string): string {
  const slash = name.lastIndexOf("/");
  const colon = name.indexOf(":", slash + 1);
  const repository = colon < 0 ? name : name.slice(0, colon);
  const tag = colon < 0 ? "latest" : name.slice(colon + 1);
  const wrong = (why: string): LightvError =>
    new LightvError("LV_USAGE", `"${name}" is not a name for an image: ${why}`, { hint: "such as sensor:1.2 or shop.example/sensor:1.2" });
  if (!TAG.test(tag)) throw wrong("a tag has letters, digits, _ . - and at most 128 of them");
  if (repository.length > 255) throw wrong("it is longer than 255 characters");
  const [first = "", ...rest] = repository.split("/");
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost") && HOST.test(first);
  const components = isHost ? rest : [first, ...rest];
  if (!components.every((component) => COMPONENT.test(component)))
    throw wrong("it has lower-case letters and digits, with . _ - or / between them");
  return `${repository}:${tag}`;
}
