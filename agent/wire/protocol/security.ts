/** What an app's sandbox may do beyond the defaults, or what it may not do. Each device checks it again when it makes the sandbox. */
import { type Static, Type } from "typebox";

/** Bytes of a filter's text: a desired state of all apps is one message of at most 64 KiB. */
export const MAX_SECCOMP_BYTES = 49_152;

export const Security = Type.Object({
  /** "unconfined", or a filter of system calls as JSON text, in Docker's format; absent: the device's default. */
  seccomp: Type.Optional(Type.String({ pattern: "^(unconfined|\\s*\\{[\\s\\S]*\\}\\s*)$", maxLength: MAX_SECCOMP_BYTES })),
  /** "unconfined", or a profile that is loaded on the device; absent: the device's default, where it has AppArmor. */
  apparmor: Type.Optional(Type.String({ pattern: "^[!-~]+$", maxLength: 1024 })),
  /** Settings of the sandbox's own namespaces, by key as sysctl(8) writes it. */
  sysctls: Type.Optional(
    Type.Record(Type.String({ pattern: "^[A-Za-z0-9_.:/@-]{1,200}$" }), Type.String({ minLength: 1, maxLength: 4096 })),
  ),
});
export type Security = Static<typeof Security>;
