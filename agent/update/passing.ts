/** Which troubles are the device's or the network's, so that an update is tried again after them. Every other one fails the payload for good. */
import { LightvError } from "#agent/lib/errors.ts";
import type { Code } from "#agent/wire/codes.ts";

const PASSING: readonly Code[] = ["LV_DISK_FULL", "LV_UNAVAILABLE", "LV_FETCH", "LV_DENIED", "LV_TIMEOUT"];
const EIO = 5;
const EAGAIN = 11;
const ENOMEM = 12;
const ETXTBSY = 26;
const ENOSPC = 28;
const EROFS = 30;
const EDQUOT = 122;
/** ETXTBSY: a child that was forked while we wrote the program still holds it. */
const PASSING_ERRNOS: readonly number[] = [EIO, EAGAIN, ENOMEM, ETXTBSY, ENOSPC, EROFS, EDQUOT];
/** sqlite.org/rescode.html */
const SQLITE_FULL = 13;
/** BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB. */
const SQLITE_DEVICES: readonly number[] = [5, 6, 8, 10, 11, SQLITE_FULL, 14, 26];

export function mayPass(error: unknown): boolean {
  if (error instanceof LightvError && PASSING.includes(error.code)) return true;
  const origin = originOf(error);
  return origin.code === "ERR_SQLITE_ERROR" || PASSING_ERRNOS.includes(errnoNumber(origin));
}

/** Of an agent that can't start: the disk, the database's file or another process is in the way of any version. */
export function isDevices(error: unknown): boolean {
  if (error instanceof LightvError && ["LV_DISK_FULL", "LV_CONFLICT"].includes(error.code)) return true;
  const origin = originOf(error);
  const primary = typeof origin.errcode === "number" ? origin.errcode & 0xff : 0;
  return SQLITE_DEVICES.includes(primary) || PASSING_ERRNOS.includes(errnoNumber(origin));
}

export function isDiskFull(error: unknown): boolean {
  if (error instanceof LightvError && error.code === "LV_DISK_FULL") return true;
  const origin = originOf(error);
  return origin.errcode === SQLITE_FULL || [ENOSPC, EDQUOT].includes(errnoNumber(origin));
}

interface Origin {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly errcode?: unknown;
}

/** What a call has failed with; ours say what that was for. */
function originOf(error: unknown): Origin {
  const origin = error instanceof LightvError ? error.cause : error;
  return typeof origin === "object" && origin !== null ? origin : {};
}

/** Errors of Node have a negative errno, those of the addon a positive one. 0: it has none. */
function errnoNumber({ errno }: Origin): number {
  return typeof errno === "number" ? Math.abs(errno) : 0;
}
