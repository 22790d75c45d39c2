// Lists of numbers as in cpuset(7), "List format": "0-3,7", of CPUs or of memory nodes, as the bits that the kernel takes them in.

/** Bytes of a mask that names every CPU that Linux can have (CONFIG_NR_CPUS ≤ 8192); of nodes it has fewer. */
export const ALL_BITS = 1024;
const LAST = ALL_BITS * 8 - 1;

/**
 * The bits of a list, in whole words. Of numbers beyond all that Linux can have one bit is left, which makes the kernel answer as
 * it does for any that is not there.
 */
export function bitsOf(list: string): Uint8Array {
  const numbers = list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range
      .trim()
      .split("-")
      .map((number) => Math.min(Number(number), LAST));
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  const mask = new Uint8Array(Math.ceil((Math.max(...numbers) + 1) / 64) * 8);
  for (const number of numbers) mask[number >> 3] = (mask[number >> 3] ?? 0) | (1 << (number & 7));
  return mask;
}
