// HOME, where the config has none: from the container's passwd file, which is read inside the container, by the process
// itself, since it may lie on a volume. passwd(5).

import { AT_FDCWD, O_NONBLOCK } from "./abi/fcntl.ts";
import { concatBytes } from "./bytes.ts";
import { close, openat, syscall } from "./calls.ts";
import { homeOf } from "./environment.ts";
import type { Kernel } from "./kernel.ts";
import { type Answers, Out, Plan, type Result } from "./plan.ts";

/** What most passwd files are shorter than. */
const FIRST = 4096;
const NEXT = 32768;
/** A passwd file that is longer is none. */
const MOST = 1 << 20;

/** Reads the beginning of the file; the answer is the user's home, "/" where there is none. */
export function planHome(plan: Plan, uid: number): (answers: Answers, kernel: Kernel) => string {
  const { bytes, count } = planRead(plan, 0, FIRST);
  return (answers, kernel) => {
    const length = answers.value(count);
    const head = answers.bytes(bytes).subarray(0, Math.max(length, 0));
    return homeOf(new TextDecoder().decode(length < FIRST ? head : readOn(kernel, head)), uid);
  };
}

/** A probe, and never one that waits: what cannot be read gives no home. */
function planRead(plan: Plan, offset: number, size: number): { bytes: Out; count: Result } {
  plan.at("process.env (HOME)");
  const bytes = new Out(size);
  const file = plan.probe(openat(AT_FDCWD, "/etc/passwd", O_NONBLOCK));
  const count = plan.probe(syscall("pread64", file, bytes, size, offset));
  plan.probe(close(file));
  return { bytes, count };
}

function readOn(kernel: Kernel, head: Uint8Array): Uint8Array {
  const parts = [head];
  let length = head.length;
  for (let more = 1; more > 0 && length < MOST; length += more) {
    const plan = new Plan();
    const { bytes, count } = planRead(plan, length, NEXT);
    const answers = kernel.run(plan);
    more = Math.max(answers.value(count), 0);
    parts.push(answers.bytes(bytes).subarray(0, more));
  }
  return concatBytes(parts);
}
