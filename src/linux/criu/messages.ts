// What is said to criu(8) and what it answers: the messages of its rpc.proto, as far as they are used here, by the names that
// it gives their fields.

import type { Schema } from "./protobuf.ts";

/** enum criu_req_type */
export const REQUEST = { dump: 1, restore: 2, preDump: 4, notify: 6, featureCheck: 9, version: 10 } as const;

/** enum criu_cg_mode, by the words of --manage-cgroups-mode. */
export const CGROUP_MODES = { ignore: 0, soft: 3, full: 4, strict: 5 } as const;

/** enum criu_network_lock_method, by the words of --network-lock. */
export const NETWORK_LOCKS = { iptables: 1, nftables: 2, skip: 3 } as const;

/** A mount that CRIU leaves to us: `key` is where it is and `val` its name in the image, or `key` that name and `val` its source. */
export interface ExternalMount {
  readonly key: string;
  readonly val: string;
}

/** message criu_opts. Descriptors are tsrun's: criu opens them by way of /proc. */
export interface CriuOptions {
  readonly images_dir_fd: number;
  readonly work_dir_fd?: number;
  readonly pid?: number;
  readonly leave_running?: boolean;
  readonly ext_unix_sk?: boolean;
  readonly tcp_established?: boolean;
  readonly tcp_skip_in_flight?: boolean;
  readonly tcp_close?: boolean;
  readonly evasive_devices?: boolean;
  readonly shell_job?: boolean;
  readonly file_locks?: boolean;
  readonly link_remap?: boolean;
  readonly log_level?: number;
  readonly log_file?: string;
  readonly ps?: { readonly address: string; readonly port: number };
  readonly notify_scripts?: boolean;
  readonly root?: string;
  readonly parent_img?: string;
  readonly track_mem?: boolean;
  readonly auto_dedup?: boolean;
  readonly ext_mnt?: readonly ExternalMount[];
  readonly ext_masters?: boolean;
  readonly manage_cgroups?: boolean;
  readonly manage_cgroups_mode?: number;
  readonly cg_root?: readonly { readonly ctrl: string; readonly path: string }[];
  readonly rst_sibling?: boolean;
  /** These descriptors are criu's own. */
  readonly inherit_fd?: readonly { readonly key: string; readonly fd: number }[];
  readonly external?: readonly string[];
  readonly empty_ns?: number;
  readonly join_ns?: readonly { readonly ns: string; readonly ns_file: string }[];
  readonly freeze_cgroup?: string;
  readonly lazy_pages?: boolean;
  readonly orphan_pts_master?: boolean;
  readonly config_file?: string;
  readonly lsm_profile?: string;
  readonly lsm_mount_context?: string;
  readonly network_lock?: number;
}

const OPTIONS: Schema = {
  images_dir_fd: 1,
  pid: 2,
  leave_running: 3,
  ext_unix_sk: 4,
  tcp_established: 5,
  evasive_devices: 6,
  shell_job: 7,
  file_locks: 8,
  log_level: 9,
  log_file: 10,
  ps: { number: 11, one: { address: 1, port: 2 } },
  notify_scripts: 12,
  root: 13,
  parent_img: 14,
  track_mem: 15,
  auto_dedup: 16,
  work_dir_fd: 17,
  link_remap: 18,
  ext_mnt: { number: 23, many: { key: 1, val: 2 } },
  manage_cgroups: 24,
  cg_root: { number: 25, many: { ctrl: 1, path: 2 } },
  rst_sibling: 26,
  inherit_fd: { number: 27, many: { key: 1, fd: 2 } },
  ext_masters: 30,
  manage_cgroups_mode: 34,
  external: { number: 37, many: "strings" },
  empty_ns: 38,
  join_ns: { number: 39, many: { ns: 1, ns_file: 2 } },
  freeze_cgroup: 44,
  tcp_skip_in_flight: 46,
  lazy_pages: 48,
  orphan_pts_master: 50,
  config_file: 51,
  tcp_close: 52,
  lsm_profile: 53,
  lsm_mount_context: 63,
  network_lock: 64,
} satisfies Record<keyof CriuOptions, Schema[string]>;

/** What of the kernel a request asks for, and an answer has. */
const FEATURES: Schema = { mem_track: 1, lazy_pages: 2 };

/** message criu_req */
export const REQUEST_SCHEMA: Schema = {
  type: 1,
  opts: { number: 2, one: OPTIONS },
  notify_success: 3,
  features: { number: 5, one: FEATURES },
};

/** message criu_resp */
export const RESPONSE_SCHEMA: Schema = {
  type: 1,
  success: 2,
  restore: { number: 4, one: { pid: 1 } },
  notify: { number: 5, one: { script: 1, pid: 2 } },
  cr_errno: 7,
  features: { number: 8, one: FEATURES },
  cr_errmsg: 9,
};

/** A decoded criu_resp. */
export interface Response {
  readonly type: number;
  readonly success: number;
  readonly restore?: { readonly pid: number };
  readonly notify?: { readonly script?: string; readonly pid?: number };
  readonly cr_errno?: number;
  readonly features?: { readonly mem_track?: number; readonly lazy_pages?: number };
  readonly cr_errmsg?: string;
}
