// Loads the filter that is its argument (base64) for itself, and prints what the kernel then says to a forbidden call and
// to an allowed one.

import { writeSync } from "node:fs";
import { syscallNumber } from "../../../src/linux/abi/syscalls.ts";
import { memory, syscall } from "../../../src/linux/libc.ts";

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;

const program = Buffer.from(process.argv[2] ?? "", "base64");
const filter = memory(program.length);
filter.bytes.set(program);
// struct sock_fprog: u16 len, padding, pointer.
const fprog = new DataView(new ArrayBuffer(16));
fprog.setUint16(0, program.length / 8, true);
fprog.setBigUint64(8, BigInt(filter.address), true);

syscall(syscallNumber("prctl"), PR_SET_NO_NEW_PRIVS, 1);
const loaded = syscall(syscallNumber("seccomp"), SECCOMP_SET_MODE_FILTER, 0, new Uint8Array(fprog.buffer));
const bpf = syscall(syscallNumber("bpf"), 0, 0, 0);
const allowed = syscall(syscallNumber("getpid")) === process.pid;
writeSync(1, JSON.stringify({ loaded, bpf, allowed }));
// By the system call, because profiles forbid io_uring, without which Node's event loop aborts even on its way out.
syscall(syscallNumber("exit_group"), 0);
