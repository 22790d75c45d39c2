// A signal handler in machine code: writes the signal's number, one byte, to a pipe. signal-safety(7), "self-pipe".
//
// A handler may run at any moment in any thread of the engine, so it cannot be JavaScript. The engines' own way (a handler
// of theirs, a pipe, a thread or an event loop, a callback) asks that the main thread go back to that loop; with this one it
// may sit in ppoll(2). It uses the stack alone, calls the kernel directly (errno is not touched), and never waits, for the
// pipe does not block. A test holds the bytes against the comments by a disassembler. Plain bytes, because the assembler
// takes an eighth of a millisecond.

import type { Architecture } from "./abi/syscalls.ts";
import { word } from "./agent/assembly.ts";

/** Code that sigaction(2) is given. */
export interface Handler {
  /** void handler(int signal): `write(pipe, &signal, 1)`, of a little-endian number; behind it the restorer. */
  readonly code: (pipe: number) => Uint8Array;
  /** Offset of what a handler returns to: rt_sigreturn(2). x86-64 has no other; on AArch64 it does what the kernel's does. */
  readonly restorer: number;
}

export const HANDLERS: Readonly<Record<Architecture, Handler>> = {
  x64: { code: x64Code, restorer: 23 },
  arm64: { code: arm64Code, restorer: 32 },
};

function x64Code(pipe: number): Uint8Array {
  return Uint8Array.of(
    ...[0x57], // push rdi
    ...[0x48, 0x89, 0xe6], // mov rsi,rsp
    ...[0xbf, ...word(pipe)], // mov edi,PIPE
    ...[0xba, 0x01, 0x00, 0x00, 0x00], // mov edx,0x1
    ...[0xb8, 0x01, 0x00, 0x00, 0x00], // mov eax,0x1
    ...[0x0f, 0x05], // syscall
    ...[0x5f], // pop rdi
    ...[0xc3], // ret
    ...[0xb8, 0x0f, 0x00, 0x00, 0x00], // mov eax,0xf
    ...[0x0f, 0x05], // syscall
  );
}

/** Of a descriptor of 16 bits at most. */
function arm64Code(pipe: number): Uint8Array {
  const words = Uint32Array.of(
    0xf81f_0fe0, // str x0, [sp, #-16]!
    0x9100_03e1, // mov x1, sp
    0xd280_0000 | (pipe << 5), // mov x0, #PIPE
    0xd280_0022, // mov x2, #0x1
    0xd280_0808, // mov x8, #0x40
    0xd400_0001, // svc #0x0
    0x9100_43ff, // add sp, sp, #0x10
    0xd65f_03c0, // ret
    0xd280_1168, // mov x8, #0x8b
    0xd400_0001, // svc #0x0
  );
  return new Uint8Array(words.buffer);
}
