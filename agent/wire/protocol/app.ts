/** One app of the desired state: what to run on a device, and within which budget. */
import { type Static, Type } from "typebox";
import { AppName, Count, Digest } from "./common.ts";
import { Priority } from "./priority.ts";
import { Security } from "./security.ts";

const AbsolutePath = Type.String({ pattern: "^/", maxLength: 4096 });
const Port = Type.Integer({ minimum: 1, maximum: 65535 });
const Millis = Type.Integer({ minimum: 1, maximum: 86_400_000 });

export const AppImage = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 255 }),
  digest: Digest,
  /** Bytes of the .lv file: known before any byte moves, so that the disk can be checked first. */
  size: Count,
  /** Where to fetch it; absent: the controller's image endpoint. */
  url: Type.Optional(Type.String({ pattern: "^https?://", maxLength: 2048 })),
});

const Rate = Type.Optional(Type.Integer({ minimum: 1 }));

/** What may go to and from one block device of the device in a second; absent: not limited. */
export const DeviceRates = Type.Object({
  device: Type.String({ pattern: "^/dev/", maxLength: 256 }),
  readBps: Rate,
  writeBps: Rate,
  readIops: Rate,
  writeIops: Rate,
});

/** Bytes; bytes a second with a burst above them, 0: without a bound. What comes faster is dropped and counted. */
export const LogBudget = Type.Object({
  maxSize: Type.Optional(Type.Integer({ minimum: 4096 })),
  maxFiles: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  rate: Type.Optional(Count),
  burst: Type.Optional(Type.Integer({ minimum: 65_536 })),
});

/** Absent: not limited, or the image's own budget. Bytes; thousandths of a CPU; processes. */
export const Budget = Type.Object({
  memory: Type.Optional(Type.Integer({ minimum: 524_288 })),
  swap: Type.Optional(Count),
  /** Beyond this it is slowed down and has to give back (cgroup v2); below that the kernel takes from others first. */
  high: Type.Optional(Type.Integer({ minimum: 524_288 })),
  reservation: Type.Optional(Count),
  cpus: Type.Optional(Type.Integer({ minimum: 1 })),
  cpuset: Type.Optional(Type.String({ pattern: "^[0-9,-]+$", maxLength: 256 })),
  pids: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Bytes of the writable layer, kept free for it on the disk. */
  disk: Type.Optional(Type.Integer({ minimum: 16_777_216 })),
  /** Open files of each process. */
  files: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_048_576 })),
  log: Type.Optional(LogBudget),
  io: Type.Optional(
    Type.Object({
      /** Against other apps, 10 to 1,000. */
      weight: Type.Optional(Type.Integer({ minimum: 10, maximum: 1000 })),
      devices: Type.Optional(Type.Array(DeviceRates, { maxItems: 16 })),
    }),
  ),
});

export const AppMount = Type.Object({
  /** A volume's name, or an absolute path of the device; absent: a tmpfs. */
  source: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  target: AbsolutePath,
  readOnly: Type.Optional(Type.Boolean()),
  /** Bytes; tmpfs only. */
  size: Type.Optional(Count),
});

export const RestartRule = Type.Object({
  policy: Type.Union([Type.Literal("always"), Type.Literal("on-failure"), Type.Literal("no")]),
  /** Restarts without a healthy period between them, after which the app is reported as crash-looping and tried only at the longest back-off. */
  maxRetries: Type.Optional(Count),
  minDelayMs: Type.Optional(Millis),
  maxDelayMs: Type.Optional(Millis),
});

const Probe = Type.Union([
  Type.Object({ exec: Type.Array(Type.String({ maxLength: 4096 }), { minItems: 1, maxItems: 64 }) }, { additionalProperties: false }),
  Type.Object(
    { http: Type.Object({ port: Port, path: Type.Optional(Type.String({ pattern: "^/", maxLength: 1024 })) }) },
    { additionalProperties: false },
  ),
  Type.Object({ tcp: Type.Object({ port: Port }) }, { additionalProperties: false }),
]);

export const HealthCheck = Type.Object({
  probe: Probe,
  intervalMs: Type.Optional(Millis),
  timeoutMs: Type.Optional(Millis),
  startPeriodMs: Type.Optional(Count),
  /** Failures in a row that make an app unhealthy, and have it restarted. */
  retries: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
});

export const App = Type.Object({
  name: AppName,
  image: AppImage,
  entrypoint: Type.Optional(Type.Array(Type.String({ maxLength: 8192 }), { maxItems: 128 })),
  command: Type.Optional(Type.Array(Type.String({ maxLength: 8192 }), { maxItems: 256 })),
  env: Type.Optional(Type.Record(Type.String({ pattern: "^[^=\\u0000]{1,256}$" }), Type.String({ maxLength: 32_768 }))),
  workdir: Type.Optional(AbsolutePath),
  user: Type.Optional(Type.String({ maxLength: 256 })),
  hostname: Type.Optional(Type.String({ maxLength: 63 })),
  readOnly: Type.Optional(Type.Boolean()),
  network: Type.Optional(Type.Union([Type.Literal("none"), Type.Literal("host")])),
  /** auto: a range of the device's ids of its own, or it does not start; host: the device's. Absent: by docs/sandbox.md, "Ids on the host". */
  userns: Type.Optional(Type.Union([Type.Literal("host"), Type.Literal("auto")])),
  /** Ports that the app opens on the device (network host): two apps that want the same one are refused, with the reason. */
  ports: Type.Optional(
    Type.Array(Type.Object({ port: Port, protocol: Type.Optional(Type.Union([Type.Literal("tcp"), Type.Literal("udp")])) }), {
      maxItems: 64,
    }),
  ),
  mounts: Type.Optional(Type.Array(AppMount, { maxItems: 64 })),
  budget: Type.Optional(Budget),
  security: Type.Optional(Security),
  /** Who keeps its memory when the device runs short; "normal" when it is not said. */
  priority: Type.Optional(Priority),
  /** So many sandboxes of its image are kept prepared, where the device keeps any (docs/hot-start.md). */
  warm: Type.Optional(Type.Integer({ minimum: 0, maximum: 64 })),
  restart: Type.Optional(RestartRule),
  health: Type.Optional(HealthCheck),
  stopSignal: Type.Optional(Type.String({ pattern: "^[A-Z0-9+]{1,16}$" })),
  stopTimeoutMs: Type.Optional(Count),
  labels: Type.Optional(Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: 4096 }))),
});
export type App = Static<typeof App>;
export type Budget = Static<typeof Budget>;
export type HealthCheck = Static<typeof HealthCheck>;
export type RestartRule = Static<typeof RestartRule>;
