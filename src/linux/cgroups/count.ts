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

/** An integer as a number where that holds it. */
export function exact(value: bigint): Count {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A file of `key value` lines. */
export function keyed(text: string | undefined): Map<string, Count> {
  const lines = (text ?? "").split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => line.split(" ")).map(([key = "", value]) => [key, count(value)]));
}
