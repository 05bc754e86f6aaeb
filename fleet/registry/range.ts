/** HTTP ranges and validators (RFC 9110, 13 and 14), for one file that never changes. Pure. */
export interface RangeRequest {
  readonly range?: string | undefined;
  readonly ifRange?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

export type RangeAnswer =
  | { readonly status: 200 }
  | { readonly status: 206; readonly start: number; readonly end: number }
  | { readonly status: 304 }
  | { readonly status: 416 };

/** `end` is included. Several ranges at once are answered with the whole, as the RFC allows. */
export function answerRange(request: RangeRequest, size: number, etag: string): RangeAnswer {
  if (request.ifNoneMatch !== undefined && matches(request.ifNoneMatch, etag)) return { status: 304 };
  if (request.range === undefined) return { status: 200 };
  // A validator of another content: the ranges that the client has are no part of this one.
  if (request.ifRange !== undefined && request.ifRange.trim() !== etag) return { status: 200 };
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/.exec(request.range);
  if (match === null) return { status: 200 };
  const [, from = "", to = ""] = match;
  if (from === "" && to === "") return { status: 200 };
  if (from === "") {
    const length = Math.min(Number(to), size);
    return length === 0 ? { status: 416 } : { status: 206, start: size - length, end: size - 1 };
  }
  const start = Number(from);
  const end = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== "" && Number(to) < start) return { status: 200 };
  return start >= size ? { status: 416 } : { status: 206, start, end };
}

function matches(list: string, etag: string): boolean {
  return list.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}
