// Leaving without a goodbye: exit_group(2). The engine's own exit runs what a long-lived program may have registered and
// joins its threads, half a millisecond after all of a short command's work is done. Nothing is left unwritten by then:
// tsrun writes by write(2).

import { syscallNumber } from "./abi/syscalls.ts";
import { syscall } from "./libc.ts";

/** Ends the process with a status of 0 to 255. */
export function exitGroup(status: number): void {
  syscall(syscallNumber("exit_group"), status);
}
