// A container that counts: after a checkpoint its numbers tell where it went on.

import { pause } from "../../test/root/harness/criu.ts";

/** The shell's script: a line for each number, ten a second. */
export const COUNT = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done";

/** Waits until it has counted on from a number; `last` asks for the last one. */
export async function untilBeyond(number: number, last: () => Promise<number>): Promise<void> {
  while (!((await last()) > number)) await pause(100);
}
