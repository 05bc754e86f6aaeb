/** Whether hot starts were hot: the numbers that `lightv runtime status --json` tells before a part and after it. */

/** Numbers of a JSON value by their path: {"a":{"b":1}} has "a.b". Elements of lists are named by their place. */
export function numbersOf(value: unknown, path = ""): Map<string, number> {
  if (typeof value === "number") return new Map([[path, value]]);
  if (typeof value !== "object" || value === null) return new Map();
  const parts = Object.entries(value).flatMap(([key, inner]) => [...numbersOf(inner, path === "" ? key : `${path}.${key}`)]);
  return new Map(parts);
}

/** "hits +60, waiting -2": what changed, or undefined when nothing did. */
export function changes(before: unknown, after: unknown): string | undefined {
  const old = numbersOf(before);
  const told = [...numbersOf(after)].flatMap(([path, value]) => {
    const difference = value - (old.get(path) ?? 0);
    return difference === 0 ? [] : [`${path} ${difference > 0 ? "+" : ""}${difference}`];
  });
  return told.length > 0 ? told.join(", ") : undefined;
}
