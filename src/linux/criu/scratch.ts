// A file system for a restore alone: a tmpfs in the mount namespace of CRIU's, for what is mounted below it to be found by
// those that it restores. It is gone with CRIU, however that ends.

import { AT_FDCWD, O_DIRECTORY, O_PATH } from "../abi/fcntl.ts";
import { close, fsconfigCreate, fsconfigString, fsmount, fsopen, moveMount, openat } from "../calls.ts";
import type { Plan } from "../plan.ts";

/** Mounts it. `place`: an empty directory. All may go through it, and nobody else look around. */
export function planScratch(plan: Plan, place: string): void {
  const fs = plan.add(fsopen("tmpfs"));
  plan.add(fsconfigString(fs, "mode", "0711"));
  plan.add(fsconfigCreate(fs));
  const mount = plan.add(fsmount(fs));
  plan.add(close(fs));
  const target = plan.add(openat(AT_FDCWD, place, O_PATH | O_DIRECTORY));
  plan.add(moveMount(mount, target));
  plan.add(close(target));
  plan.add(close(mount));
}
