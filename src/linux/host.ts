// What the plans ask about the host before they are made: a plan is then a function of (Config, Host) alone, and tests
// answer for hosts that they are not on.

import { CAP_DATA_SIZE, CAPABILITIES, capHeader, capSets } from "./abi/capability.ts";
import { EINVAL } from "./abi/errno.ts";
import { PR_CAPBSET_READ } from "./abi/prctl.ts";
import { makedev } from "./abi/stat.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import type { HeldCapabilities } from "./capabilities.ts";
import { exists, fileSystemType, PROC_SUPER_MAGIC, statusOf } from "./file-status.ts";
import { linkTarget, readText } from "./files.ts";
import { SyscallError } from "./kernel.ts";
import { syscall } from "./libc.ts";
import { call } from "./local.ts";
import { parseMountinfo } from "./mountinfo.ts";
import { inUserNamespace } from "./user-namespace.ts";

/** <linux/magic.h> */
const SELINUX_MAGIC = 0xf97c_ff8c;
/** Where there is one, its first byte says. */
const APPARMOR_ENABLED = "/sys/module/apparmor/parameters/enabled";

/** Questions to the host. */
export interface Host {
  /** Whether a path, links followed, is a directory; undefined where nothing is. */
  isDirectory(path: string): boolean | undefined;
  exists(path: string): boolean;
  /** Whether a path is the character device 1:3. */
  isNullDevice(path: string): boolean;
  /** What the symbolic link at a path holds; undefined where there is none. */
  linkAt(path: string): string | undefined;
  /** Whether a path lies on a procfs. */
  isProcfs(path: string): boolean;
  /** Whether the kernel runs these security modules. */
  hasAppArmor(): boolean;
  hasSELinux(): boolean;
  /** The number of the last capability that the kernel has. */
  lastCapability(): number;
  /** What tsrun has of capabilities, as its agents have. */
  heldCapabilities(): HeldCapabilities;
  /** Whether tsrun is in a user namespace other than the first: as root there it has no rights over the host. */
  inUserNamespace(): boolean;
  /** Mount points of whole procfs and sysfs file systems outside `rootfs`, deepest first. */
  fullProcAndSysMounts(rootfs: string): readonly string[];
}

/** The host that tsrun runs on. */
export const thisHost: Host = {
  isDirectory(path) {
    const status = statusOf(path);
    return status && status.kind === "directory";
  },
  exists,
  isNullDevice(path) {
    const status = statusOf(path);
    return status?.kind === "character device" && status.device === makedev(1, 3);
  },
  linkAt: linkTarget,
  isProcfs: (path) => fileSystemType(path) === PROC_SUPER_MAGIC,
  hasAppArmor: () => exists(APPARMOR_ENABLED) && readText(APPARMOR_ENABLED).startsWith("Y"),
  // Also where it is compiled in but off, there is no such mount.
  hasSELinux: () => fileSystemType("/sys/fs/selinux") === SELINUX_MAGIC,
  lastCapability,
  heldCapabilities() {
    const sets = new Uint8Array(CAP_DATA_SIZE);
    call("process.capabilities", "capget", capHeader(), sets);
    return capSets(sets);
  },
  inUserNamespace,
  fullProcAndSysMounts(rootfs) {
    return parseProcAndSysMounts(readText("/proc/self/mountinfo"), rootfs);
  },
};

/** Asked of the bounding set: EINVAL is the answer for what there is not, capabilities(7). Two calls, where the file of /proc takes four. */
function lastCapability(): number {
  const has = (number: number): boolean => {
    const result = syscall(syscallNumber("prctl"), PR_CAPBSET_READ, number);
    // Any other refusal would pass for the end of them, and what is there behind it would be left to the container.
    if (result < 0 && result !== -EINVAL)
      throw new SyscallError({ name: "prctl", args: [PR_CAPBSET_READ, number] }, -result, "process.capabilities");
    return result >= 0;
  };
  let last = CAPABILITIES.length - 1;
  while (has(last + 1)) last++;
  while (!has(last)) last--;
  return last;
}

/** Mount points of procfs and sysfs in the text of a mountinfo file, outside `rootfs`. */
function parseProcAndSysMounts(mountinfo: string, rootfs: string): string[] {
  return parseMountinfo(mountinfo)
    .filter(({ root, type }) => root === "/" && (type === "proc" || type === "sysfs"))
    .map(({ place }) => place)
    .filter((place) => place !== rootfs && !place.startsWith(`${rootfs}/`))
    .reverse();
}
