// System call numbers by name, syscalls(2), for the architectures that tsrun runs on. A test holds both tables against
// the machine's headers.

import { ARM64_SYSCALLS } from "./syscalls-arm64.ts";
import { X64_SYSCALLS } from "./syscalls-x64.ts";

/** The architectures that tsrun runs on, by Node's names. */
export const ARCHITECTURES = ["x64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** Name of a system call, as in section 2 of the manual. */
export type SyscallName = keyof typeof X64_SYSCALLS;

type Table = Readonly<Record<SyscallName, number>>;
const TABLES: Readonly<Record<Architecture, Table>> = { x64: X64_SYSCALLS, arm64: ARM64_SYSCALLS };

/** The architecture that this process runs on. Error on any but ours. */
export function hostArchitecture(): Architecture {
  const { arch } = process;
  if (arch !== "x64" && arch !== "arm64") {
    throw new Error(`Cannot run on ${arch}: tsrun knows x86-64 and AArch64`);
  }
  return arch;
}

/** All numbers of an architecture. */
export function syscallTable(arch: Architecture): Table {
  return TABLES[arch];
}

/** Of the architecture that this process runs on, asked for some hundred times in a short process. */
let own: Table | undefined;

/** The number of a system call; undefined for `arch`: of the one that this process runs on. */
export function syscallNumber(name: SyscallName, arch?: Architecture): number {
  if (arch !== undefined) return TABLES[arch][name];
  own ??= TABLES[hostArchitecture()];
  return own[name];
}
