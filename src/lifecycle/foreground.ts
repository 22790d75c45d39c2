// A foreground `run` or `exec`: signals that tsrun gets go on to the process, its terminal is served, and its end is ours.
// All of it is one thread in one ppoll(2): on the process (pidfd_open(2)), on the signals, on the terminal. An engine's
// event loop, thread pool and signal handlers take a millisecond to set up.

import { close } from "../linux/agent/descriptors.ts";
import { waitFor } from "../linux/agent/reap.ts";
import { pidfdOpen } from "../linux/local.ts";
import { POLLIN, type Polled, poll } from "../linux/poll.ts";
import { isIgnored, LAST_SIGNAL, SignalPipe, trySignal } from "../linux/signal-pipe.ts";
import type { ExitStatus } from "./command.ts";
import type { TerminalProxy } from "./terminal-proxy.ts";

/** Left to do what they do, by number, signal(7). */
const KEPT: readonly number[] = [
  ...[9, 19], // KILL, STOP: cannot be caught
  ...[17, 23], // CHLD, URG: say something about children and sockets of tsrun's
  ...[13, 25], // PIPE, XFSZ: answers to what tsrun writes
  ...[4, 5, 7, 8, 11, 31], // ILL, TRAP, BUS, FPE, SEGV, SYS: mistakes of the engine's, which it reports
  30, // PWR: how the engine stops its threads
  ...[32, 33], // the C library's own
];
/** TTIN, TTOU: left, too, where tsrun reads from a terminal. In the background that stops it, as it does any program. */
const KEPT_WITH_TERMINAL: readonly number[] = [21, 22];

const [SIGHUP, SIGINT, SIGQUIT, SIGTERM] = [1, 2, 3, 15] as const;
const ENDING: readonly number[] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
const SIGCONT = 18;
const SIGWINCH = 28;
/** What people, service managers and terminals send: these, and USR1 and USR2. */
const COMMON: readonly number[] = [...ENDING, SIGWINCH, 10, 12];

/**
 * Catches the signals that are most often to go on to a process. To be called before a container is made, lest one that
 * comes meanwhile end tsrun and leave it; to be disposed of, if at all, when the container is removed, lest one cut
 * that short. The rest are caught while the program runs: all of them take a third of a millisecond.
 */
export function catchSignals(): SignalPipe {
  return new SignalPipe(wanted(COMMON));
}

/** The first signal that has come and would have ended tsrun. Others that came go nowhere. */
export function endingSignal(signals: SignalPipe): number | undefined {
  return signals.take().find((signal) => ENDING.includes(signal));
}

/** nohup(1): tsrun's caller may want a hang-up to be nobody's end. */
function wanted(signals: readonly number[]): readonly number[] {
  return isIgnored(SIGHUP) ? signals.filter((signal) => signal !== SIGHUP) : signals;
}

function catchTheRest(signals: SignalPipe, withTerminal: boolean): void {
  const kept = new Set([...COMMON, ...KEPT, ...(withTerminal ? KEPT_WITH_TERMINAL : [])]);
  signals.catch(Array.from({ length: LAST_SIGNAL }, (_, i) => i + 1).filter((signal) => !kept.has(signal)));
}

/** Something else to be heard of while the process runs. */
export interface Listener {
  readonly polled: Polled;
  /** Hears it, without waiting. True when there is nothing more to come. */
  hear(): boolean;
}

/** Waits for a child of tsrun's and disposes of the proxy. The status is the child's, or 128 and the number of the signal. */
export function waitInForeground(
  pid: number,
  proxy: TerminalProxy | undefined,
  signals: SignalPipe,
  listeners: readonly Listener[] = [],
): ExitStatus {
  using undo = new DisposableStack();
  undo.use(proxy);
  const pidfd = undo.adopt(pidfdOpen(pid), close);
  catchTheRest(signals, proxy !== undefined);
  proxy?.begin();
  serve(pidfd, signals, proxy, listeners);
  proxy?.drain(signals.fd, () => endingSignal(signals) !== undefined);
  return exitStatus(pid);
}

/** Until the process ends. */
function serve(
  pidfd: number,
  signals: SignalPipe,
  proxy: TerminalProxy | undefined,
  listeners: readonly Listener[],
): void {
  let others = listeners;
  for (;;) {
    const always = [pidfd, signals.fd].map((fd) => ({ fd, events: POLLIN }));
    const [ended, signalled, ...rest] = poll([
      ...always,
      ...others.map(({ polled }) => polled),
      ...(proxy?.wanted() ?? []),
    ]);
    const said = rest.splice(0, others.length);
    others = others.filter((listener, i) => !said[i] || !listener.hear());
    if (signalled) for (const signal of signals.take()) passOn(signal, pidfd, proxy);
    proxy?.move(rest);
    if (ended) return;
  }
}

function passOn(signal: number, pidfd: number, proxy: TerminalProxy | undefined): void {
  // The kernel tells the programs on a terminal itself when its size changes.
  if (signal === SIGWINCH && proxy !== undefined) proxy.resize();
  else trySignal(pidfd, signal);
  if (signal === SIGCONT) proxy?.begin();
}

/** The low seven bits of a wait status are the signal, if any; the next byte is what exit(3) was given. wait4(2). */
function exitStatus(pid: number): ExitStatus {
  const status = waitFor(pid);
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}
