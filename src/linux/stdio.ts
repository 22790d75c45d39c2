// Standard streams that are the host's /dev/null become the container's: through the host's, root in the container could
// change the mode and owner of the device file that the whole host uses. null(4).

import { AT_EMPTY_PATH, AT_FDCWD, O_NOCTTY, O_RDWR, RESOLVE_NO_SYMLINKS } from "./abi/fcntl.ts";
import {
  S_IFCHR,
  S_IFMT,
  STATX_BASIC_STATS,
  STATX_MODE,
  STATX_RDEV_MAJOR,
  STATX_RDEV_MINOR,
  STATX_SIZE,
} from "./abi/stat.ts";
import { close, openat2, syscall } from "./calls.ts";
import { SafetyViolation } from "./errors.ts";
import { type Answers, Out, type Plan } from "./plan.ts";

/** Reopens streams as /dev/null of the root that the caller is in; the check throws where that is something else. */
export function planNullStdio(plan: Plan, streams: readonly number[]): (answers: Answers) => void {
  if (streams.length === 0) return () => {};
  const statx = new Out(STATX_SIZE);
  const open = openat2(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS);
  plan.at("standard streams").unless("ENOENT", open, (fd) => {
    plan.add(syscall("statx", fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, statx));
    for (const stream of streams) plan.add(syscall("dup3", fd, stream, 0));
    plan.add(close(fd));
  });
  return (answers) => {
    const view = new DataView(answers.bytes(statx).slice().buffer);
    const mode = view.getUint16(STATX_MODE, true);
    if (mode === 0) return; // There is none: the call was skipped.
    const isNull = view.getUint32(STATX_RDEV_MAJOR, true) === 1 && view.getUint32(STATX_RDEV_MINOR, true) === 3;
    if ((mode & S_IFMT) !== S_IFCHR || !isNull)
      throw new SafetyViolation("standard streams", "/dev/null of the container is something else");
  };
}
