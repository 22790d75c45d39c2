// Signals as something to poll for: each that comes is a byte in a pipe. sigaction(2), signal-handler.ts.
//
// signalfd(2) would be the kernel's own, but it wants the signals blocked in every thread, and the engine's threads have
// them unblocked. SA_RESTART, so that no other blocking call of tsrun's has to know; ppoll(2) is interrupted all the same.

import { O_CLOEXEC, O_NONBLOCK } from "./abi/fcntl.ts";
import { hostArchitecture, syscallNumber } from "./abi/syscalls.ts";
import { close, read, write } from "./agent/descriptors.ts";
import { type Memory, memory, syscall } from "./libc.ts";
import { call } from "./local.ts";
import { HANDLERS } from "./signal-handler.ts";

const PAGE = 4096;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;

/** Signals are 1 to this. */
export const LAST_SIGNAL = 64;
const SIG_IGN = 1;
const SA_RESTORER = 0x0400_0000;
const SA_RESTART = 0x1000_0000;
/** `struct sigaction` of the kernel: u64 handler, flags, restorer, mask. */
const SIGACTION_SIZE = 32;
const MASK_SIZE = 8;

/** Catches signals until it is disposed of, which gives them back to what they did before. */
export class SignalPipe implements Disposable {
  /** Readable when signals have come. */
  readonly fd: number;
  readonly #write: number;
  readonly #action: Uint8Array;
  /** A `struct sigaction` for each signal: what it did before. */
  readonly #before: Memory = memory(SIGACTION_SIZE * (LAST_SIGNAL + 1));
  readonly #caught: number[] = [];

  /** Catches these signals, by number. SyscallError where the kernel refuses: SIGKILL, SIGSTOP, no executable memory. */
  constructor(signals: readonly number[]) {
    [this.fd, this.#write] = nonBlockingPipe();
    using undo = new DisposableStack();
    undo.use(this);
    this.#action = actionFor(this.fd, this.#write);
    this.catch(signals);
    undo.move();
  }

  /** Catches more signals. SyscallError as above. */
  catch(signals: readonly number[]): void {
    for (const signal of signals) {
      exchange(signal, this.#action, this.#before.address + SIGACTION_SIZE * signal);
      this.#caught.push(signal);
    }
  }

  /** The signals that have come since, in their order. Does not wait. */
  take(): number[] {
    const buffer = new Uint8Array(PAGE);
    const length = read(this.fd, buffer);
    return length > 0 ? [...buffer.subarray(0, length)] : [];
  }

  [Symbol.dispose](): void {
    for (const signal of this.#caught.splice(0)) exchange(signal, this.#before.address + SIGACTION_SIZE * signal, 0);
    close(this.fd);
    close(this.#write);
  }
}

function nonBlockingPipe(): readonly [read: number, write: number] {
  const fds = new Int32Array(2);
  call("signals", "pipe2", new Uint8Array(fds.buffer), O_CLOEXEC | O_NONBLOCK);
  return [fds[0] ?? -1, fds[1] ?? -1];
}

/** What a signal is to do: run the handler that writes to the pipe. */
function actionFor(from: number, to: number): Uint8Array {
  const { code, restorer } = HANDLERS[hostArchitecture()];
  const address = executable(code(to), from, to);
  const action = sigaction(address, SA_RESTART + SA_RESTORER);
  new DataView(action.buffer).setBigUint64(16, BigInt(address + restorer), true);
  action.fill(0xff, SIGACTION_SIZE - MASK_SIZE); // one at a time
  return action;
}

function sigaction(handler: number, flags: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SIGACTION_SIZE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(handler), true);
  view.setUint32(8, flags, true);
  return bytes;
}

/**
 * The address of a page that holds the code. It comes there through a pipe, which is empty again then. The page stays: a
 * thread could be in it whenever it is taken away.
 */
function executable(code: Uint8Array, from: number, to: number): number {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const address = call("signals", "mmap", 0, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
  write(to, code);
  call("signals", "read", from, address, code.length);
  call("signals", "mprotect", address, PAGE, PROT_READ | PROT_EXEC);
  return address;
}

/** Sets what a signal does, and stores what it did before; 0 for either: not. */
function exchange(signal: number, action: Uint8Array | number, before: Uint8Array | number): void {
  call("signals", "rt_sigaction", signal, action, before, MASK_SIZE);
}

/** Whether the caller wants a signal ignored. */
export function isIgnored(signal: number): boolean {
  const now = new Uint8Array(SIGACTION_SIZE);
  exchange(signal, 0, now);
  return new DataView(now.buffer).getBigUint64(0, true) === BigInt(SIG_IGN);
}

/** Has a signal do what it does where nobody has said otherwise. */
export function useDefault(signal: number): void {
  exchange(signal, new Uint8Array(SIGACTION_SIZE), 0); // SIG_DFL is 0
}

/** Runs something with a signal ignored. */
export function ignoring(signal: number, action: () => void): void {
  const before = new Uint8Array(SIGACTION_SIZE);
  exchange(signal, sigaction(SIG_IGN, 0), before);
  try {
    action();
  } finally {
    exchange(signal, before, 0);
  }
}

/** Sends a signal by pidfd where that can be done: a process that has ended, or is no longer ours to signal, is no mistake. */
export function trySignal(pidfd: number, signal: number): void {
  syscall(syscallNumber("pidfd_send_signal"), pidfd, signal, 0, 0);
}
