// <linux/sched.h>, <linux/sched/types.h>: clone3(2), setns(2), unshare(2), sched_setattr(2).

export const CLONE_NEWTIME = 0x00000080;
export const CLONE_PARENT = 0x00008000;
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;
/** Bit 33: only clone3 takes it. */
export const CLONE_INTO_CGROUP = 0x2_0000_0000;

/** `struct clone_args` (CLONE_ARGS_SIZE_VER2): eleven u64; those that tsrun uses are named. */
export function cloneArgs(args: { flags: number; exitSignal: number; cgroup?: number }): Uint8Array {
  const bytes = new Uint8Array(88);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(args.flags), true);
  view.setUint32(32, args.exitSignal, true);
  view.setUint32(80, args.cgroup ?? 0, true);
  return bytes;
}

export const SCHED_POLICY = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
} as const;

export const SCHED_FLAG = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
} as const;

/** Without room for the clamps the kernel refuses SCHED_FLAG_UTIL_CLAMP_MIN and _MAX. */
const SCHED_ATTR_SIZE = 56;

export interface SchedAttr {
  readonly policy: number;
  readonly flags: number;
  readonly nice: number;
  readonly priority: number;
  /** Nanoseconds, as the next two. */
  readonly runtime: number | bigint;
  readonly deadline: number | bigint;
  readonly period: number | bigint;
}

/** `struct sched_attr` (SCHED_ATTR_SIZE_VER1, 56 bytes): u32 size, policy; u64 flags; s32 nice; u32 priority; u64 ×3; u32 ×2, utilisation clamps. */
export function schedAttr(attr: SchedAttr): Uint8Array {
  const bytes = new Uint8Array(SCHED_ATTR_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, SCHED_ATTR_SIZE, true);
  view.setUint32(4, attr.policy, true);
  view.setBigUint64(8, BigInt(attr.flags), true);
  view.setInt32(16, attr.nice, true);
  view.setUint32(20, attr.priority, true);
  view.setBigUint64(24, BigInt(attr.runtime), true);
  view.setBigUint64(32, BigInt(attr.deadline), true);
  view.setBigUint64(40, BigInt(attr.period), true);
  return bytes;
}
