// Signals by name and number: signal(7). The numbers are those of x86-64 and AArch64.

import { UsageError } from "./usage-error.ts";

const SIGNALS: Readonly<Record<string, number>> = {
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
  RTMIN: 34,
  RTMAX: 64,
};

export const SIGKILL = 9;
const LAST = 64;

/** A signal as people and engines write it: `9`, `KILL`, `sigkill`, `RTMIN+3`. */
export function signalNumber(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : named(text);
  if (number === undefined || number < 1 || number > LAST) throw new UsageError(`unknown signal "${text}"`);
  return number;
}

function named(text: string): number | undefined {
  const name = text.toUpperCase().replace(/^SIG/, "");
  const [, base = name, offset = "0"] = /^(RTMIN|RTMAX)([+-]\d+)$/.exec(name) ?? [];
  const number = Object.hasOwn(SIGNALS, base) ? SIGNALS[base] : undefined;
  return number === undefined ? undefined : number + Number(offset);
}
