// <asm-generic/signal.h>: signals by name and number, signal(7). The numbers are those of x86-64 and AArch64.

/** Without "SIG". Where two names have one number, the first is the usual one. */
export const SIGNALS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  IOT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  POLL: 29,
  PWR: 30,
  SYS: 31,
  /** The first that programs may use: glibc keeps two to itself. */
  RTMIN: 34,
  RTMAX: 64,
};

export const SIGKILL = 9;
export const SIGCHLD = 17;
export const SIGNAL_MAX = 64;

/** As in "SIGTERM"; its number where it has no name. */
export function signalName(number: number): string {
  const found = Object.entries(SIGNALS).find(([, value]) => value === number);
  return found === undefined ? `signal ${number}` : `SIG${found[0]}`;
}
