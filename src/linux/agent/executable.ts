// The agent's program as something to execute: a sealed memfd, or where the host forbids that the same bytes installed.
// memfd_create(2), fcntl(2) "File Sealing".
//
// /proc/<init>/exe of a container is this file until execve, and a container may open it: sealed, it cannot be written
// by anyone ever (CVE-2019-5736 was a write to the runtime's own binary through that link).
// vm.memfd_noexec=2 refuses executable memfds with EACCES: then only a file that nobody but root can change will do.

import { EACCES, EINVAL } from "../abi/errno.ts";
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  O_RDONLY,
} from "../abi/fcntl.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { descriptorStatus } from "../file-status.ts";
import { open, readLink } from "../files.ts";
import { syscall } from "../libc.ts";
import { checked, close, read, write } from "./descriptors.ts";

const SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
const WRITABLE_BY_OTHERS = 0o022;
const NAME = "tsrun-agent";

/** An open, close-on-exec descriptor of a file that holds `image` and cannot be changed. Execute it as /proc/self/fd. */
export function openExecutable(image: Uint8Array, installed?: string): number {
  const fd = createMemfd();
  if (fd === -EACCES) {
    return openInstalled(installed ?? installedPath(), image);
  }
  checked(fd, "memfd_create", NAME);
  try {
    checked(write(fd, image), "write", fd);
    checked(syscall(syscallNumber("fcntl"), fd, F_ADD_SEALS, SEALS), "fcntl", fd, F_ADD_SEALS, SEALS);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

function createMemfd(): number {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const fd = syscall(syscallNumber("memfd_create"), NAME, flags | MFD_EXEC);
  return fd === -EINVAL ? syscall(syscallNumber("memfd_create"), NAME, flags) : fd;
}

/** Where the build puts the same bytes: beside the binary. */
function installedPath(): string {
  return readLink("/proc/self/exe").replace(/[^/]*$/, NAME);
}

function openInstalled(path: string, image: Uint8Array): number {
  const fd = openOrExplain(path);
  const problem = problemOf(fd, image);
  if (problem !== undefined) {
    close(fd);
    throw new Error(`Cannot run ${path}: ${problem} (it is needed because vm.memfd_noexec forbids executable memfds)`);
  }
  return fd;
}

function openOrExplain(path: string): number {
  try {
    return open(path, O_RDONLY);
  } catch (cause) {
    throw new Error(`Cannot start the agent: vm.memfd_noexec forbids executable memfds, and there is no ${path}`, {
      cause,
    });
  }
}

/** Why the open file is not to be trusted. Asked of the descriptor that is run, so no other file can take its place. */
function problemOf(fd: number, image: Uint8Array): string | undefined {
  const { uid, mode } = descriptorStatus(fd);
  if (uid !== 0) {
    return "it does not belong to root";
  }
  if ((mode & WRITABLE_BY_OTHERS) !== 0) {
    return "others than root can write to it";
  }
  const content = new Uint8Array(image.length + 1);
  const length = checked(read(fd, content), "read", fd);
  const same = length === image.length && image.every((byte, i) => byte === content[i]);
  return same ? undefined : "it is not this version's agent";
}
