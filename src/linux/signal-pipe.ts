// Signals as something to poll for: each that comes is a byte in a pipe. sigaction(2), signal-handler.ts.
//
// signalfd(2) would be the kernel's own, but it wants the signals blocked in every thread, and the engine's threads have
// them unblocked. SA_RESTART, so that no other blocking call of tsrun's has to know; ppoll(2) is interrupted all the same.

import { hostArchitecture, syscallNumber } from "./abi/syscalls.ts";
import { machineCode } from "./agent/assembly.ts";
import { close, read, write } from "./agent/descriptors.ts";
import { syscall } from "./libc.ts";
import { call } from "./local.ts";
import { pipe, stopBlocking } from "./pipe.ts";
import { HANDLERS } from "./signal-handler.ts";

const PAGE = 4096;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;

const SA_RESTORER = 0x0400_0000;
const SA_RESTART = 0x1000_0000;
/** `struct sigaction` of the kernel: u64 handler, flags, restorer, mask. */
const SIGACTION_WORDS = 4;
const MASK_SIZE = 8;
const ALL_SIGNALS = 0xffff_ffff_ffff_ffffn;
const SIG_IGN = 1n;

/** Catches signals until it is disposed of, which gives them back to what they did before. */
export class SignalPipe implements Disposable {
  /** Readable when signals have come. */
  readonly fd: number;
  readonly #write: number;
  readonly #before = new Map<number, BigUint64Array<ArrayBuffer>>();

  /** Catches these signals, by number. SyscallError where the kernel refuses: SIGKILL, SIGSTOP, no executable memory. */
  constructor(signals: Iterable<number>) {
    [this.fd, this.#write] = pipe();
    using undo = new DisposableStack();
    undo.use(this);
    stopBlocking(this.fd);
    const action = this.#action();
    stopBlocking(this.#write);
    for (const signal of signals) this.#before.set(signal, exchange(signal, action));
    undo.move();
  }

  /** The signals that have come since, in their order. Does not wait. */
  take(): number[] {
    const buffer = new Uint8Array(PAGE);
    const length = read(this.fd, buffer);
    return length > 0 ? [...buffer.subarray(0, length)] : [];
  }

  [Symbol.dispose](): void {
    for (const [signal, before] of this.#before) exchange(signal, before);
    this.#before.clear();
    close(this.fd);
    close(this.#write);
  }

  #action(): BigUint64Array<ArrayBuffer> {
    const { handler, restorer } = HANDLERS[hostArchitecture()];
    const code = machineCode(handler(this.#write));
    const address = executable(new Uint8Array([...code, ...machineCode(restorer)]), [this.fd, this.#write]);
    return BigUint64Array.of(
      BigInt(address),
      BigInt(SA_RESTART + SA_RESTORER),
      BigInt(address + code.length),
      ALL_SIGNALS,
    );
  }
}

/**
 * The address of a page that holds the code. It comes there through a pipe, which is empty again then. The page stays: a
 * thread could be in it whenever it is taken away.
 */
function executable(code: Uint8Array, [from, to]: readonly [number, number]): number {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const address = call("signals", "mmap", 0, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
  write(to, code);
  call("signals", "read", from, address, code.length);
  call("signals", "mprotect", address, PAGE, PROT_READ | PROT_EXEC);
  return address;
}

/** Sets what a signal does; what it did before. */
function exchange(signal: number, action: BigUint64Array<ArrayBuffer>): BigUint64Array<ArrayBuffer> {
  const before = new BigUint64Array(SIGACTION_WORDS);
  call("signals", "rt_sigaction", signal, bytesOf(action), bytesOf(before), MASK_SIZE);
  return before;
}

function bytesOf(words: BigUint64Array<ArrayBuffer>): Uint8Array {
  return new Uint8Array(words.buffer);
}

/** Whether the caller wants a signal ignored. */
export function isIgnored(signal: number): boolean {
  const now = new BigUint64Array(SIGACTION_WORDS);
  call("signals", "rt_sigaction", signal, 0, bytesOf(now), MASK_SIZE);
  return now[0] === SIG_IGN;
}

/** Runs something with a signal ignored. */
export function ignoring(signal: number, action: () => void): void {
  const before = exchange(signal, BigUint64Array.of(SIG_IGN, 0n, 0n, 0n));
  try {
    action();
  } finally {
    exchange(signal, before);
  }
}

/** Sends a signal by pidfd where that can be done: a process that has ended, or is no longer ours to signal, is no mistake. */
export function trySignal(pidfd: number, signal: number): void {
  syscall(syscallNumber("pidfd_send_signal"), pidfd, signal, 0, 0);
}
