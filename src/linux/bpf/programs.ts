// Device programs of a cgroup, by bpf(2): load, list, attach, detach. A cgroup v2 directory can have several, and its
// parents' are asked too: an access is allowed when all allow it (BPF_F_ALLOW_MULTI; cgroup-v2.rst "Device controller").
//
// A program lives as long as something refers to it: the descriptor, or the cgroup that it is attached to. Descriptors
// from bpf(2) are close-on-exec. Everything here needs CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN, in the first user
// namespace.

import {
  BPF_CGROUP_MAX_PROGS,
  BPF_COMMANDS,
  BPF_F_ALLOW_MULTI,
  BPF_F_REPLACE,
  BPF_PROG_TYPE_CGROUP_DEVICE,
  PROG_LOAD_SIZE,
  PROG_QUERY_COUNT,
  PROG_QUERY_SIZE,
  progAttach,
  progGetFd,
  putProgLoad,
  putProgQuery,
} from "../abi/bpf.ts";
import { errnoNumber } from "../abi/errno.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { SyscallError } from "../kernel.ts";
import { memory, syscall } from "../libc.ts";
import { cString } from "../local.ts";
import { assemble, type Instruction } from "./instructions.ts";

/** What the config's author is told a failure is about. */
const FIELD = "linux.resources.devices";
/** As bpftool shows it; at most 15 letters. */
const NAME = "tsrun_devices";
/** Only programs that call functions of the kernel marked so need a GPL'd one. */
const LICENSE = "Apache-2.0";
/** A signal that arrives while the kernel checks a program ends the check with EAGAIN. */
const MOST_LOADS = 30;

/** Has the kernel check and compile a program. Returns its descriptor. @throws SyscallError */
export function loadDeviceProgram(program: readonly Instruction[]): number {
  const code = assemble(program);
  const license = cString(LICENSE);
  const all = memory(PROG_LOAD_SIZE + code.length + license.length);
  const instructions = PROG_LOAD_SIZE;
  all.bytes.set(code, instructions);
  all.bytes.set(license, instructions + code.length);
  putProgLoad(all.bytes, {
    type: BPF_PROG_TYPE_CGROUP_DEVICE,
    count: program.length,
    instructions: all.address + instructions,
    license: all.address + instructions + code.length,
    name: NAME,
  });
  return bpf("BPF_PROG_LOAD", all.bytes, PROG_LOAD_SIZE, MOST_LOADS);
}

/** Ids of the programs attached to this very cgroup, a descriptor of its directory, in order. @throws SyscallError */
export function attachedPrograms(cgroup: number): number[] {
  const all = memory(PROG_QUERY_SIZE + 4 * BPF_CGROUP_MAX_PROGS);
  putProgQuery(all.bytes, { target: cgroup, ids: all.address + PROG_QUERY_SIZE, count: BPF_CGROUP_MAX_PROGS });
  bpf("BPF_PROG_QUERY", all.bytes, PROG_QUERY_SIZE);
  const view = new DataView(all.bytes.buffer);
  const count = view.getUint32(PROG_QUERY_COUNT, true);
  return Array.from({ length: count }, (_, i) => view.getUint32(PROG_QUERY_SIZE + 4 * i, true));
}

/** A descriptor of a program that is loaded. @throws SyscallError: ENOENT when it has gone */
export function openProgram(id: number): number {
  return bpf("BPF_PROG_GET_FD_BY_ID", progGetFd(id));
}

/** Attaches a program beside those that are there, or in one step instead of one of them. @throws SyscallError */
export function attachProgram(cgroup: number, program: number, replaced?: number): void {
  const flags = BPF_F_ALLOW_MULTI | (replaced === undefined ? 0 : BPF_F_REPLACE);
  bpf("BPF_PROG_ATTACH", progAttach({ target: cgroup, program, flags, ...(replaced !== undefined && { replaced }) }));
}

/** Takes a program away. @throws SyscallError: ENOENT when it is not attached */
export function detachProgram(cgroup: number, program: number): void {
  bpf("BPF_PROG_DETACH", progAttach({ target: cgroup, program }));
}

function bpf(command: keyof typeof BPF_COMMANDS, attributes: Uint8Array, size = attributes.length, tries = 1): number {
  for (let left = tries; ; left--) {
    const result = syscall(syscallNumber("bpf"), BPF_COMMANDS[command], attributes, size);
    if (result >= 0) return result;
    if (result !== -errnoNumber("EAGAIN") || left <= 1)
      throw new SyscallError({ name: "bpf", args: [command] }, -result, FIELD);
  }
}
