// What a filter may answer: <linux/seccomp.h> SECCOMP_RET_*, seccomp(2). The specification has libseccomp's names for them
// ("config-linux.md#seccomp"), libseccomp has the kernel's numbers.

import type { SeccompAction } from "../../spec/config.gen.ts";
import { EPERM } from "../abi/errno.ts";

/** Kills the thread; the kernel's choice for what nobody should have called. */
export const SECCOMP_RET_KILL_THREAD = 0;
export const SECCOMP_RET_KILL_PROCESS = 0x8000_0000;
export const SECCOMP_RET_ERRNO = 0x0005_0000;

const ACTIONS: Readonly<Record<SeccompAction, number>> = {
  SCMP_ACT_KILL: SECCOMP_RET_KILL_THREAD,
  SCMP_ACT_KILL_THREAD: SECCOMP_RET_KILL_THREAD,
  SCMP_ACT_KILL_PROCESS: SECCOMP_RET_KILL_PROCESS,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: SECCOMP_RET_ERRNO,
  SCMP_ACT_NOTIFY: 0x7fc0_0000,
  SCMP_ACT_TRACE: 0x7ff0_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: 0x7fff_0000,
};

/** The 32 bits that the filter returns. Actions that carry a number carry `errnoRet`, or EPERM; the spec checked it. */
export function actionValue(action: SeccompAction, errnoRet: number = EPERM): number {
  const carries = action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE";
  return carries ? ACTIONS[action] | errnoRet : ACTIONS[action];
}
