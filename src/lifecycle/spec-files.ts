// How src/spec, which knows no system calls, reads the files that a caller names.

import { O_NOCTTY, O_NONBLOCK, O_RDONLY } from "../linux/abi/fcntl.ts";
import { descriptorStatus } from "../linux/file-status.ts";
import { close, open, read } from "../linux/files.ts";
import type { FileCalls } from "../spec/read.ts";

/** By tsrun's own system calls. */
export const SPEC_FILES: FileCalls = {
  open: (file) => open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY),
  status: descriptorStatus,
  read,
  close,
};
