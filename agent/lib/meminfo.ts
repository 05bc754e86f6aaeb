/** proc(5), meminfo. */
export function parseMeminfo(text: string): { memoryTotalBytes: number; memoryAvailableBytes: number } {
  const kib = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return { memoryTotalBytes: kib("MemTotal") * 1024, memoryAvailableBytes: kib("MemAvailable") * 1024 };
}
