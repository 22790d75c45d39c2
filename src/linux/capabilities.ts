// Which of the capabilities that a config asks for a process gets. The specification wants no error where one cannot be granted
// (config.md#linux-process), and the kernel knows nothing but errors: so what it would refuse is left out beforehand.
// capabilities(7), "Programmatically adjusting capability sets".

import type { Capabilities } from "../spec/config.gen.ts";
import { CAPABILITIES } from "./abi/capability.ts";

/** What a process has before it gets its own. */
export interface HeldCapabilities {
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

/** Of who has come into a user namespace: user_namespaces(7). */
const ALL: HeldCapabilities = { permitted: 0xffff_ffff_ffff_ffffn, inheritable: 0n };

/** A set of capabilities as the kernel's bits. What the kernel (up to `last`) does not have is left out. */
export function capabilityBits(names: readonly string[] | undefined, last: number): bigint {
  let bits = 0n;
  for (const name of names ?? []) {
    const number = (CAPABILITIES as readonly string[]).indexOf(name);
    if (number >= 0 && number <= last) bits |= 1n << BigInt(number);
  }
  return bits;
}

/**
 * What is granted of each set: never more than was asked for. `held` is undefined in a user namespace of the container's, into
 * which one comes with all of them.
 */
export function grantedCapabilities(
  asked: Capabilities = {},
  last: number,
  held: HeldCapabilities = ALL,
): Readonly<Record<keyof Capabilities, bigint>> {
  const bits = (set: keyof Capabilities): bigint => capabilityBits(asked[set], last);
  const bounding = bits("bounding") & held.permitted; // root has all of its bounding set
  const permitted = bits("permitted") & held.permitted;
  const inheritable = bits("inheritable") & (bounding | held.inheritable);
  return {
    bounding,
    permitted,
    inheritable,
    effective: bits("effective") & permitted,
    ambient: bits("ambient") & permitted & inheritable,
  };
}
