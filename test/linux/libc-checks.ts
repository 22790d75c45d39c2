// What libc.ts must do under every engine. Run by libc.test.ts as Node's and as a program of ours; prints facts as JSON.

import { syscallNumber } from "../../src/linux/abi/syscalls.ts";
import { exists } from "../../src/linux/file-status.ts";
import { library, memory, syscall } from "../../src/linux/libc.ts";

/** Gathers the facts; `result` says what each should be. */
export function facts(): Record<string, unknown> {
  const bytes = new Uint8Array(64);
  const pipe = new Int32Array(2);
  const block = memory(16);
  block.bytes.set([1, 2, 3]);
  const copy = new Uint8Array(3);
  const { memcpy, strlen } = library("libc.so.6", { memcpy: 3, strlen: 1 });
  return {
    pid: syscall(syscallNumber("getpid")) === process.pid,
    errno: syscall(syscallNumber("close"), -1),
    errnoAgain: syscall(syscallNumber("openat"), -100, new TextEncoder().encode("/nonexistent\0"), 0),
    empty: syscall(
      syscallNumber("readlinkat"),
      -100,
      new TextEncoder().encode("/proc/self/exe\0"),
      new Uint8Array(0),
      0,
    ),
    bigint: syscall(syscallNumber("close"), 0xffff_ffff_ffff_ffffn),
    out: syscall(syscallNumber("getcwd"), bytes, bytes.length) > 0 && bytes[0] === 47,
    pipe: syscall(syscallNumber("pipe2"), new Uint8Array(pipe.buffer), 0) === 0 && exists(`/proc/self/fd/${pipe[1]}`),
    memory: Number(memcpy(copy, block.address, 3)) > 0 && copy.join() === "1,2,3",
    memoryIsZeroed: memory(4096).bytes.every((byte) => byte === 0),
    library: strlen(new TextEncoder().encode("four\0")),
    noLibrary: throws(() => library("libnonexistent.so.0", { nothing: 0 })),
    noFunction: throws(() => library("libc.so.6", { nonexistent_function: 0 })),
  };
}

function throws(action: () => unknown): boolean {
  try {
    action();
    return false;
  } catch {
    return true;
  }
}
