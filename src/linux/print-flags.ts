// Numbers as the names of the kernel's constants, for print.ts.

/** Values by name; those of several bits stand before those of their single bits. */
export type Flags = Readonly<Record<string, number>>;

/** `0x…`; 0 is 0. */
export function hex(value: number): string {
  return value === 0 ? "0" : `0x${value.toString(16)}`;
}

/** Prints a number that is one of those named, or else itself. */
export function named(known: Flags): (value: number) => string {
  const names = new Map(Object.entries(known).map(([name, value]) => [value, name]));
  return (value) => names.get(value) ?? String(value);
}

/** Prints a number as a sum of those named, what is left of it in hexadecimal. Exact for all 53 bits. */
export function flags(known: Flags): (value: number) => string {
  return (value) => {
    let left = BigInt.asUintN(64, BigInt(value));
    const names: string[] = [];
    for (const [name, flag] of Object.entries(known)) {
      const bits = BigInt.asUintN(64, BigInt(flag));
      if (bits === 0n || (left & bits) !== bits) continue;
      names.push(name);
      left &= ~bits;
    }
    if (left !== 0n) names.push(`0x${left.toString(16)}`);
    return names.join("|") || "0";
  };
}
