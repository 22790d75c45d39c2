// <linux/bpf.h>: commands and attributes of bpf(2), and the context of a device program. A struct of `union bpf_attr` may
// be longer than what a kernel knows as long as the rest is zero; one that is shorter has zeros there.

/** enum bpf_cmd */
export const BPF_COMMANDS = {
  BPF_PROG_LOAD: 5,
  BPF_PROG_ATTACH: 8,
  BPF_PROG_DETACH: 9,
  BPF_PROG_GET_FD_BY_ID: 13,
  BPF_PROG_QUERY: 16,
} as const;

/** enum bpf_prog_type */
export const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
/** enum bpf_attach_type */
export const BPF_CGROUP_DEVICE = 6;

export const BPF_F_ALLOW_MULTI = 1 << 1;
export const BPF_F_REPLACE = 1 << 2;

/** How many programs the kernel lets one cgroup have: BPF_CGROUP_MAX_PROGS. */
export const BPF_CGROUP_MAX_PROGS = 64;

export const BPF_DEVCG_ACC = { m: 1 << 0, r: 1 << 1, w: 1 << 2 } as const;
export const BPF_DEVCG_DEV = { b: 1 << 0, c: 1 << 1 } as const;

/** `struct bpf_cgroup_dev_ctx`, three u32: access_type is BPF_DEVCG_DEV in its lower half, BPF_DEVCG_ACC in its upper. */
export const BPF_CGROUP_DEV_CTX = { access_type: 0, major: 4, minor: 8 } as const;

/** Where BPF_PROG_LOAD's attributes end that are used here; prog_name[16] are the last. */
export const PROG_LOAD_SIZE = 64;

/** For BPF_PROG_LOAD, written over `bytes`. Addresses: of the instructions, and of a string that is no GPL's name. */
export function putProgLoad(
  bytes: Uint8Array,
  to: { type: number; count: number; instructions: number; license: number; name: string },
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PROG_LOAD_SIZE);
  view.setUint32(0, to.type, true);
  view.setUint32(4, to.count, true);
  view.setBigUint64(8, BigInt(to.instructions), true);
  view.setBigUint64(16, BigInt(to.license), true);
  // 24-47: log_level, log_size, log_buf, kern_version, prog_flags. The kernel wants a NUL at the end of the name.
  new TextEncoder().encodeInto(to.name, bytes.subarray(48, 63));
}

/** For BPF_PROG_ATTACH and BPF_PROG_DETACH: u32 target_fd, attach_bpf_fd, attach_type, attach_flags, replace_bpf_fd. */
export function progAttach(to: { target: number; program: number; flags?: number; replaced?: number }): Uint8Array {
  const bytes = new Uint8Array(32);
  const words = [to.target, to.program, BPF_CGROUP_DEVICE, to.flags ?? 0, to.replaced ?? 0];
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
  return bytes;
}

/**
 * BPF_PROG_QUERY's attributes, all of them: Linux 6.17 to 7.1 write `revision` (56) however short the struct is said to
 * be. prog_cnt (24) is first the room at prog_ids (16), then what is there.
 */
export const PROG_QUERY_SIZE = 64;
export const PROG_QUERY_COUNT = 24;

/** For BPF_PROG_QUERY, written over `bytes`; `ids` is the address of room for `count` u32. */
export function putProgQuery(bytes: Uint8Array, to: { target: number; ids: number; count: number }): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PROG_QUERY_SIZE);
  view.setUint32(0, to.target, true);
  view.setUint32(4, BPF_CGROUP_DEVICE, true);
  view.setBigUint64(16, BigInt(to.ids), true);
  view.setUint32(PROG_QUERY_COUNT, to.count, true);
}

/** For BPF_PROG_GET_FD_BY_ID: u32 prog_id, next_id, open_flags. */
export function progGetFd(id: number): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setUint32(0, id, true);
  return bytes;
}
