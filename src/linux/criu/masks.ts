// Masked files once more. All of them are copies of the host's /dev/null, and of copies that are alike CRIU gives only the first its
// flags back: by the others, writable, root in the container could change the mode and owner of the host's file.

import { AT_FDCWD, O_DIRECTORY, O_PATH } from "../abi/fcntl.ts";
import { MOUNT_ATTR_RDONLY } from "../abi/mount.ts";
import { PR_SET_DUMPABLE } from "../abi/prctl.ts";
import { CLONE_NEWNS } from "../abi/sched.ts";
import { Agent } from "../agent/agent.ts";
import { close, mountSetattr, openat, openInRoot, syscall } from "../calls.ts";
import { close as closeFile } from "../files.ts";
import { AgentKernel } from "../kernel.ts";
import { pidfdOpen } from "../local.ts";
import { Plan } from "../plan.ts";

/** Makes what is mounted on these paths read-only, in the mount namespace of a process that does not run yet. */
export function makeMasksReadonly(pid: number, paths: readonly string[]): void {
  if (paths.length === 0) return;
  using undo = new DisposableStack();
  const pidfd = undo.adopt(pidfdOpen(pid), closeFile);
  const agent = undo.use(Agent.spawn({ fds: [[pidfd, pidfd]], argv0: "tsrun:masks", socket: pidfd + 1 }));
  const plan = new Plan();
  plan.at("linux.maskedPaths").add(syscall("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)); // nobody in there may look in
  plan.add(syscall("setns", pidfd, CLONE_NEWNS));
  const root = plan.add(openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  for (const [i, path] of paths.entries()) {
    plan.at(`linux.maskedPaths[${i}] (${path})`).unless("ENOENT", openInRoot(root, path), (mask) => {
      plan.tolerate("EINVAL", mountSetattr(mask, { set: MOUNT_ATTR_RDONLY })); // nothing is mounted there any more
      plan.add(close(mask));
    });
  }
  new AgentKernel(agent).run(plan);
}
