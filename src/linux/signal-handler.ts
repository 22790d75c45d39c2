// A signal handler in machine code: writes the signal's number, one byte, to a pipe. signal-safety(7), "self-pipe".
//
// A handler may run at any moment in any thread of the engine, so it cannot be JavaScript. The engines' own way (a handler
// of theirs, a pipe, a thread or an event loop, a callback) asks that the main thread go back to that loop; with this one it
// may sit in ppoll(2). It uses the stack alone, calls the kernel directly (errno is not touched), and never waits, for the
// pipe does not block.

import type { Architecture } from "./abi/syscalls.ts";
import { hex, type Instruction, plain, word } from "./agent/assembly.ts";

/** The two programs that sigaction(2) is given. */
export interface Handler {
  /** void handler(int signal): `write(pipe, &signal, 1)`, of a little-endian number. */
  readonly handler: (pipe: number) => readonly Instruction[];
  /** What a handler returns to: rt_sigreturn(2). x86-64 has no other; on AArch64 it does what the kernel's own does. */
  readonly restorer: readonly Instruction[];
}

export const HANDLERS: Readonly<Record<Architecture, Handler>> = {
  x64: {
    handler: (pipe) => [
      plain([0x57], "push rdi"),
      plain([0x48, 0x89, 0xe6], "mov rsi,rsp"),
      plain([0xbf, ...word(pipe)], `mov edi,${hex(pipe)}`),
      plain([0xba, ...word(1)], "mov edx,0x1"),
      plain([0xb8, ...word(1)], "mov eax,0x1"), // write
      plain([0x0f, 0x05], "syscall"),
      plain([0x5f], "pop rdi"),
      plain([0xc3], "ret"),
    ],
    restorer: [plain([0xb8, ...word(15)], "mov eax,0xf"), plain([0x0f, 0x05], "syscall")],
  },
  arm64: {
    handler: (pipe) => [
      plain(word(0xf81f_0fe0), "str x0, [sp, #-16]!"),
      plain(word(0x9100_03e1), "mov x1, sp"),
      plain(word(0xd280_0000 | (pipe << 5)), `mov x0, #${hex(pipe)}`), // of 16 bits at most
      plain(word(0xd280_0022), "mov x2, #0x1"),
      plain(word(0xd280_0808), "mov x8, #0x40"), // write
      plain(word(0xd400_0001), "svc #0x0"),
      plain(word(0x9100_43ff), "add sp, sp, #0x10"),
      plain(word(0xd65f_03c0), "ret"),
    ],
    restorer: [plain(word(0xd280_1168), "mov x8, #0x8b"), plain(word(0xd400_0001), "svc #0x0")],
  },
};
