// Signals as people and engines write them.

import { SIGNAL_MAX, SIGNALS } from "../linux/abi/signal.ts";
import { UsageError } from "./usage-error.ts";

/** The number of `9`, `KILL`, `sigkill`, `RTMIN+3`; 0 only asks whether there is a process, kill(2). Throws UsageError. */
export function signalNumber(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : named(text);
  if (number === undefined || number < 0 || number > SIGNAL_MAX) throw new UsageError(`unknown signal "${text}"`);
  return number;
}

function named(text: string): number | undefined {
  const name = text.toUpperCase().replace(/^SIG/, "");
  const [, base = name, offset = "0"] = /^(RTMIN|RTMAX)([+-]\d+)$/.exec(name) ?? [];
  const number = Object.hasOwn(SIGNALS, base) ? SIGNALS[base] : undefined;
  return number === undefined ? undefined : number + Number(offset);
}
