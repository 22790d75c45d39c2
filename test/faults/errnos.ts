// With which errnos a call is made to fail: those that the kernel gives for want of something, or by a limit or a rule of
// the host's, wherever the call stands. Not those that tell of the state of things, as ENOENT of an unlink or ESRCH of a
// kill: tsrun must believe them, and where they are a lie something is left, rightly.

import { errnoNumber } from "../../src/linux/abi/errno.ts";
import type { Call, Fault } from "./inject.ts";

type ErrnoName = Parameters<typeof errnoNumber>[0];

const OPENS: readonly ErrnoName[] = ["EACCES", "EMFILE", "ENOMEM", "EIO", "EOPNOTSUPP"];
const DESCRIPTORS: readonly ErrnoName[] = ["EMFILE", "ENOMEM", "EPERM"];
const MOUNTS: readonly ErrnoName[] = ["EPERM", "EINVAL", "ENOMEM", "EBUSY"];
const MEMORY: readonly ErrnoName[] = ["ENOMEM"];
const FORKS: readonly ErrnoName[] = ["EAGAIN", "ENOMEM", "EPERM", "ENOSPC"];
const DIRECTORIES: readonly ErrnoName[] = ["EACCES", "ENOSPC", "EROFS", "EIO"];
const OTHERS: readonly ErrnoName[] = ["EPERM", "EINVAL", "ENOMEM", "ENOSYS"];

const BY_NAME: Readonly<Record<string, readonly ErrnoName[]>> = {
  openat: OPENS,
  openat2: OPENS,
  read: ["EIO"],
  write: ["EIO", "ENOSPC", "EPERM", "EINVAL"],
  close: ["EIO"],
  getdents64: ["EIO", "ENOMEM"],
  ...Object.fromEntries(
    ["mkdirat", "mknodat", "symlinkat", "linkat", "renameat2", "unlinkat"].map((name) => [name, DIRECTORIES]),
  ),
  ...Object.fromEntries(
    ["socketpair", "pipe2", "pidfd_open", "pidfd_getfd", "memfd_create", "socket"].map((name) => [name, DESCRIPTORS]),
  ),
  ...Object.fromEntries(
    ["fsopen", "fsconfig", "fsmount", "open_tree", "move_mount", "mount_setattr", "mount", "umount2", "pivot_root"].map(
      (name) => [name, MOUNTS],
    ),
  ),
  ...Object.fromEntries(["mmap", "munmap", "brk", "mprotect", "madvise", "mremap"].map((name) => [name, MEMORY])),
  ...Object.fromEntries(["clone", "clone3", "vfork", "unshare"].map((name) => [name, FORKS])),
  execve: ["EACCES", "ENOMEM", "E2BIG"],
  wait4: [],
  // They fail for wrong arguments only.
  rt_sigaction: [],
  rt_sigprocmask: [],
  kill: ["EPERM"],
  // They do not return.
  exit: [],
  exit_group: [],
  rt_sigreturn: [],
};

/** Calls that an interruption by a signal may end early: of tsrun's own, for an agent has no handlers. */
const INTERRUPTED = new Set([
  "openat",
  "read",
  "write",
  "wait4",
  "ppoll",
  "poll",
  "sendmsg",
  "recvmsg",
  "flock",
  "connect",
]);

/** EINVAL is an answer here: prctl(PR_CAPBSET_READ) of a capability that the kernel does not know. */
const PROBES = /^prctl\(17,/;

/** All that is tried at a call. */
export function faultsAt({ name, process, text }: Call): Fault[] {
  const errnos = (BY_NAME[name] ?? OTHERS)
    .filter((errno) => !(errno === "EINVAL" && PROBES.test(text)))
    .map(errnoNumber);
  const interrupted = process === 0 && INTERRUPTED.has(name) ? [errnoNumber("EINTR")] : [];
  return [...errnos, ...interrupted, "kill", ...(process === 0 ? [] : (["end"] as const))];
}
