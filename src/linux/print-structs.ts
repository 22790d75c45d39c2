// The structs that system calls take, decoded for print.ts. The layouts are those that src/linux/abi/ encodes.

import { CAPABILITIES } from "./abi/capability.ts";
import { SCHED_FLAG, SCHED_POLICY } from "./abi/sched.ts";
import { SIGCHLD } from "./abi/signal.ts";
import { flags, named } from "./print-flags.ts";

/** A field: its name, offset, width and text. A text that is empty or "0" is left out. */
export type Layout = readonly (readonly [
  name: string,
  offset: number,
  width: "u16" | "u64",
  text: (value: number) => string,
])[];

/** Prints a struct of fields, `{name=text, …}`. */
export function layout(fields: Layout): (bytes: Uint8Array) => string {
  return (bytes) => {
    const view = viewOf(bytes);
    const texts = fields.map(([name, offset, width, text]) => {
      const value = width === "u16" ? view.getUint16(offset, true) : Number(view.getBigUint64(offset, true));
      const shown = text(value);
      return shown === "" || shown === "0" ? [] : [`${name}=${shown}`];
    });
    return `{${texts.flat().join(", ")}}`;
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** `struct clone_args`, the fields that tsrun uses. */
export function cloneArgsText(flagsText: (value: number) => string): (bytes: Uint8Array) => string {
  const signal = named({ SIGCHLD });
  return layout([
    ["flags", 0, "u64", flagsText],
    ["exit_signal", 32, "u64", signal],
    ["cgroup", 80, "u64", String],
  ]);
}

/** `struct rlimit64`; every value is exact. */
export function rlimitText(bytes: Uint8Array): string {
  const limit = (offset: number): string => {
    const value = viewOf(bytes).getBigUint64(offset, true);
    return value === 0xffff_ffff_ffff_ffffn ? "RLIM64_INFINITY" : String(value);
  };
  return `{soft=${limit(0)}, hard=${limit(8)}}`;
}

/** `struct sched_attr`. */
export function schedAttrText(bytes: Uint8Array): string {
  const view = viewOf(bytes);
  const values = {
    flags: flags(SCHED_FLAG)(Number(view.getBigUint64(8, true))),
    nice: view.getInt32(16, true),
    priority: view.getUint32(20, true),
    runtime: view.getBigUint64(24, true),
    deadline: view.getBigUint64(32, true),
    period: view.getBigUint64(40, true),
  };
  const set = Object.entries(values).filter(([, value]) => String(value) !== "0");
  const policy = named(SCHED_POLICY)(view.getUint32(4, true));
  return `{${[`policy=${policy}`, ...set.map(([name, value]) => `${name}=${value}`)].join(", ")}}`;
}

/** `struct __user_cap_data_struct[2]`. */
export function capDataText(bytes: Uint8Array): string {
  const view = viewOf(bytes);
  const names = ["effective", "permitted", "inheritable"];
  const sets = names.map((name, i) => {
    const bits = BigInt(view.getUint32(4 * i, true)) | (BigInt(view.getUint32(12 + 4 * i, true)) << 32n);
    return `${name}=${capabilityNames(bits)}`;
  });
  return `{${sets.join(", ")}}`;
}

function capabilityNames(bits: bigint): string {
  if (bits === (1n << BigInt(CAPABILITIES.length)) - 1n) return "all";
  return CAPABILITIES.filter((_, i) => (bits & (1n << BigInt(i))) !== 0n).join("|") || "0";
}

/** The mask of sched_setaffinity(2), as a list such as cpuset(7) has. */
export function cpuMaskText(bytes: Uint8Array): string {
  return `{cpus ${listText(bytes)}}`;
}

/** The mask of set_mempolicy(2), in the same form. */
export function nodeMaskText(bytes: Uint8Array): string {
  return `{nodes ${listText(bytes)}}`;
}

function listText(bytes: Uint8Array): string {
  const ranges: string[] = [];
  const has = (bit: number): boolean => ((bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    if (!has(bit)) continue;
    const first = bit;
    while (has(bit + 1)) bit++;
    ranges.push(first === bit ? `${bit}` : `${first}-${bit}`);
  }
  return ranges.join(",");
}

/** An array of gid_t. */
export function groupsText(bytes: Uint8Array): string {
  const view = viewOf(bytes);
  return `[${Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true)).join(", ")}]`;
}
