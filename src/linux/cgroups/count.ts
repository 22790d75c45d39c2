// Numbers of cgroup files: they count to 2^64, so those that a double may not hold are bigints.

/** A count, exact. */
export type Count = number | bigint;

/** What any of them is without a limit, where a number must be told: 2^64 - 1. */
export const UNLIMITED = 2n ** 64n - 1n;

/** The count that a text is; 0 for none, `max` for no limit. */
export function count(text: string | undefined, max: Count = UNLIMITED): Count {
  if (text === undefined || text === "") return 0;
  return text === "max" ? max : exact(BigInt(text));
}

/** A product or a sum of counts, as they come. */
export function exact(value: bigint): Count {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** A file of `key value` lines. */
export function keyed(text: string | undefined): Map<string, Count> {
  const lines = (text ?? "").split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => line.split(" ")).map(([key = "", value]) => [key, count(value)]));
}
