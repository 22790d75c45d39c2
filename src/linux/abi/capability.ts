// <linux/capability.h>: names and numbers of capabilities, and the structs of capset(2). See capabilities(7).

export const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

/** `struct __user_cap_header_struct`: u32 version, s32 pid (0: the caller). */
export function capHeader(): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, 0x2008_0522, true); // _LINUX_CAPABILITY_VERSION_3
  return bytes;
}

/** Bytes of `struct __user_cap_data_struct[2]`. */
export const CAP_DATA_SIZE = 24;

/** `struct __user_cap_data_struct[2]`: the low 32 capabilities' effective, permitted, inheritable, then the high ones'. */
export function capData(sets: { effective: bigint; permitted: bigint; inheritable: bigint }): Uint8Array {
  const bytes = new Uint8Array(CAP_DATA_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [i, set] of [sets.effective, sets.permitted, sets.inheritable].entries()) {
    view.setUint32(i * 4, Number(set & 0xffff_ffffn), true);
    view.setUint32(12 + i * 4, Number(set >> 32n), true);
  }
  return bytes;
}

/** What capget(2) has written: the permitted and inheritable sets. */
export function capSets(bytes: Uint8Array): { permitted: bigint; inheritable: bigint } {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const set = (i: number): bigint =>
    BigInt(view.getUint32(i * 4, true)) | (BigInt(view.getUint32(12 + i * 4, true)) << 32n);
  return { permitted: set(1), inheritable: set(2) };
}
