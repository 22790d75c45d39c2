// Every constant and struct of src/linux/abi/ against the machine's headers: a C program prints what they say.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as bpf from "../../../src/linux/abi/bpf.ts";
import * as capability from "../../../src/linux/abi/capability.ts";
import * as fcntl from "../../../src/linux/abi/fcntl.ts";
import * as ioctl from "../../../src/linux/abi/ioctl.ts";
import * as mempolicy from "../../../src/linux/abi/mempolicy.ts";
import * as mount from "../../../src/linux/abi/mount.ts";
import * as prctl from "../../../src/linux/abi/prctl.ts";
import * as resource from "../../../src/linux/abi/resource.ts";
import * as rtnetlink from "../../../src/linux/abi/rtnetlink.ts";
import * as sched from "../../../src/linux/abi/sched.ts";
import * as socket from "../../../src/linux/abi/socket.ts";
import * as stat from "../../../src/linux/abi/stat.ts";
import * as termios from "../../../src/linux/abi/termios.ts";

const COMPILER = "/usr/bin/cc";
const able = existsSync(COMPILER) && existsSync("/usr/include/linux/mount.h");
if (!able) console.warn(`Constants are not checked: there is no ${COMPILER} or no Linux header`);

/** A room: what it exports, the headers that define it, and what a name of ours is called there. */
interface Room {
  readonly exports: object;
  readonly headers: readonly string[];
  readonly called?: (name: string, of: string | undefined) => string | undefined;
}

/** Names as C has them: `called` says otherwise for ours. An empty string: no header has it, and the reason is there. */
const ROOMS: Readonly<Record<string, Room>> = {
  mount: {
    exports: mount,
    headers: ["linux/mount.h", "linux/fcntl.h"],
    // Only in the C library's <sys/mount.h>, which <linux/mount.h> cannot stand beside.
    called: (name) => (name === "MNT_DETACH" ? "" : undefined),
  },
  fcntl: {
    exports: fcntl,
    headers: ["linux/fcntl.h", "linux/openat2.h", "linux/close_range.h", "linux/memfd.h", "unistd.h"],
    called: (name) => (name === "MFD_NOEXEC_SEAL" || name === "MFD_EXEC" ? "" : undefined), // of Linux 6.3
  },
  stat: {
    exports: stat,
    headers: ["sys/stat.h", "sys/statfs.h"],
    called: (name) =>
      ({
        STAT_SIZE: "sizeof(struct stat)",
        STAT_MODE: "offsetof(struct stat, st_mode)",
        STATFS_SIZE: "sizeof(struct statfs)",
        STATX_SIZE: "sizeof(struct statx)",
        STATX_MODE: "offsetof(struct statx, stx_mode)",
        STATX_ATTRIBUTES: "offsetof(struct statx, stx_attributes)",
        STATX_INO: "offsetof(struct statx, stx_ino)",
        STATX_SIZE_OF_FILE: "offsetof(struct statx, stx_size)",
        STATX_MNT_ID_OF_FILE: "offsetof(struct statx, stx_mnt_id)",
        STATX_ATIME: "offsetof(struct statx, stx_atime)",
        STATX_MTIME: "offsetof(struct statx, stx_mtime)",
        STATX_UID: "offsetof(struct statx, stx_uid)",
        STATX_GID: "offsetof(struct statx, stx_gid)",
        STATX_DEV_MAJOR: "offsetof(struct statx, stx_dev_major)",
        STATX_DEV_MINOR: "offsetof(struct statx, stx_dev_minor)",
        STATX_RDEV_MAJOR: "offsetof(struct statx, stx_rdev_major)",
        STATX_RDEV_MINOR: "offsetof(struct statx, stx_rdev_minor)",
      })[name],
  },
  prctl: {
    exports: prctl,
    headers: ["linux/prctl.h", "linux/seccomp.h", "linux/keyctl.h", "linux/ioprio.h", "linux/personality.h"],
    // The header of a key's permissions is not one that programs can include.
    called: (name, of) => (of === "PERSONALITY" ? `PER_${name}` : name === "KEY_PERMISSIONS" ? "" : undefined),
  },
  sched: {
    exports: sched,
    headers: ["linux/sched.h", "signal.h"],
    // SCHED_ISO is a number that the kernel keeps free.
    called: (name) => ({ SCHED_OTHER: "SCHED_NORMAL", SCHED_ISO: "" })[name],
  },
  ioctl: {
    exports: ioctl,
    headers: ["sys/ioctl.h", "linux/sockios.h", "net/if.h"],
  },
  socket: { exports: socket, headers: ["sys/socket.h", "linux/netlink.h"] },
  rtnetlink: {
    exports: rtnetlink,
    headers: ["linux/netlink.h", "linux/rtnetlink.h", "linux/if_link.h", "linux/if_addr.h"],
    called: (name) => ({ LINK_SIZE: "sizeof(struct ifinfomsg)", ADDRESS_SIZE: "sizeof(struct ifaddrmsg)" })[name],
  },
  resource: { exports: resource, headers: ["linux/resource.h"] },
  mempolicy: {
    exports: mempolicy,
    headers: ["linux/mempolicy.h"],
    called: (name) => (name === "MPOL_WEIGHTED_INTERLEAVE" ? "" : undefined), // of Linux 6.9
  },
  bpf: {
    exports: bpf,
    headers: ["linux/bpf.h"],
    called: (name, of) => {
      if (of === "BPF_DEVCG_ACC") return `BPF_DEVCG_ACC_${{ m: "MKNOD", r: "READ", w: "WRITE" }[name]}`;
      if (of === "BPF_DEVCG_DEV") return `BPF_DEVCG_DEV_${{ b: "BLOCK", c: "CHAR" }[name]}`;
      if (of === "BPF_CGROUP_DEV_CTX") return `offsetof(struct bpf_cgroup_dev_ctx, ${name})`;
      return {
        BPF_CGROUP_MAX_PROGS: "", // the kernel's own, in none of its headers for programs
        PROG_LOAD_SIZE: "offsetof(union bpf_attr, prog_name) + 16",
        PROG_QUERY_SIZE: "", // longer than the headers of older kernels have it
        PROG_QUERY_COUNT: "offsetof(union bpf_attr, query.prog_cnt)",
      }[name];
    },
  },
  termios: {
    exports: termios,
    headers: ["asm/termbits.h"],
    called: (name, of) =>
      of === "TERMIOS"
        ? `offsetof(struct termios, c_${name})`
        : ({ TERMIOS_SIZE: "sizeof(struct termios)" } as Record<string, string>)[name],
  },
};

type Constant = [name: string, value: number, of: string | undefined];

/** Numbers of a room by name, those of objects too, with the object's name. */
function numbersOf(exports: object): Constant[] {
  return Object.entries(exports).flatMap(([name, value]): Constant[] => {
    if (typeof value === "number") return [[name, value, undefined]];
    if (typeof value !== "object" || Array.isArray(value)) return [];
    const entries = Object.entries(value as Record<string, number>);
    return entries.map(([key, one]): Constant => [key, one, name]);
  });
}

/** What a C program prints: its lines. */
function runC(headers: readonly string[], body: string): string[] {
  const directory = mkdtempSync(join(tmpdir(), "plans-abi-"));
  try {
    const source = join(directory, "print.c");
    const includes = ["stdio.h", "stddef.h", "string.h", ...headers].map((header) => `#include <${header}>`);
    const helper =
      'static void hex(const void *p, size_t n) { for (size_t i = 0; i < n; i++) printf("%02x", ((const unsigned char *)p)[i]); puts(""); }';
    writeFileSync(source, `${includes.join("\n")}\n${helper}\nint main(void) {\n(void)hex;\n${body}\nreturn 0;\n}\n`);
    execFileSync(COMPILER, ["-w", "-D_GNU_SOURCE", "-o", join(directory, "print"), source], { stdio: "pipe" });
    return execFileSync(join(directory, "print"), { encoding: "utf8" }).trimEnd().split("\n");
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.skipIf(!able).each(Object.entries(ROOMS))("The constants of abi/%s.ts", (_, { exports, headers, called }) => {
  it("are the headers'", () => {
    const known = numbersOf(exports).map(([name, value, of]) => ({ name, value, c: called?.(name, of) ?? name }));
    const checked = known.filter(({ c }) => c !== "");
    const lines = runC(headers, checked.map(({ c }) => `printf("%lld\\n", (long long)(${c}));`).join("\n"));
    expect(checked.map(({ name, c }, i) => [name, c, Number(lines[i])])).toEqual(
      checked.map(({ name, value, c }) => [name, c, value]),
    );
    expect(checked.length).toBeGreaterThan(known.length / 2);
  });
});

describe.skipIf(!able)("Capabilities", () => {
  it("have their places, and there are no others that the header knows", () => {
    const names = capability.CAPABILITIES;
    const lines = runC(
      ["linux/capability.h"],
      [...names, "CAP_LAST_CAP"].map((name) => `printf("%d\\n", ${name});`).join("\n"),
    );
    expect(lines.slice(0, -1).map(Number)).toEqual(names.map((_, i) => i));
    expect(names.length).toBeGreaterThan(Number(lines.at(-1)));
  });
});

const U64 = "18446744073709551615";
/** Structs: the bytes that we make, and the C that makes the same from the header's struct. */
const STRUCTS: readonly { name: string; ours: Uint8Array; headers: string[]; type: string; set: string }[] = [
  {
    name: "open_how",
    ours: fcntl.openHow(0x12345678, 0o755, 0x1f),
    headers: ["linux/openat2.h"],
    type: "struct open_how",
    set: "s.flags = 0x12345678; s.mode = 0755; s.resolve = 0x1f;",
  },
  {
    name: "mount_attr",
    ours: mount.mountAttr({ set: 0x200001, clear: 0x70, propagation: 1 << 18, usernsFd: 9 }),
    headers: ["linux/mount.h"],
    type: "struct mount_attr",
    set: "s.attr_set = 0x200001; s.attr_clr = 0x70; s.propagation = 1 << 18; s.userns_fd = 9;",
  },
  {
    name: "ifinfomsg",
    ours: rtnetlink.linkBody(0x01020304, 1),
    headers: ["linux/rtnetlink.h"],
    type: "struct ifinfomsg",
    set: "s.ifi_index = 0x01020304; s.ifi_flags = 1; s.ifi_change = 1;",
  },
  {
    name: "ifaddrmsg",
    ours: rtnetlink.addressBody(10, 64, 253, 0x01020304),
    headers: ["linux/rtnetlink.h"],
    type: "struct ifaddrmsg",
    set: "s.ifa_family = 10; s.ifa_prefixlen = 64; s.ifa_scope = 253; s.ifa_index = 0x01020304;",
  },
  {
    name: "clone_args",
    ours: sched.cloneArgs({ flags: sched.CLONE_INTO_CGROUP + sched.CLONE_NEWNET, exitSignal: 17, cgroup: 12 }),
    headers: ["linux/sched.h", "linux/types.h"],
    type: "struct clone_args",
    set: "s.flags = CLONE_INTO_CGROUP | CLONE_NEWNET; s.exit_signal = 17; s.cgroup = 12;",
  },
  {
    name: "sched_attr",
    ours: sched.schedAttr({
      policy: 6,
      flags: 0x41,
      nice: -20,
      priority: 99,
      runtime: 1,
      deadline: 9007199254740993n,
      period: 18446744073709551615n,
    }),
    headers: ["linux/types.h", "linux/sched/types.h"],
    type: "struct sched_attr",
    set: `s.size = sizeof(s); s.sched_policy = 6; s.sched_flags = 0x41; s.sched_nice = -20; s.sched_priority = 99;
      s.sched_runtime = 1; s.sched_deadline = 9007199254740993ull; s.sched_period = ${U64}ull;`,
  },
  {
    name: "rlimit64",
    ours: resource.rlimit64(9007199254740993n, 18446744073709551615n),
    headers: ["linux/resource.h"],
    type: "struct rlimit64",
    set: `s.rlim_cur = 9007199254740993ull; s.rlim_max = ${U64}ull;`,
  },
  {
    name: "__user_cap_header_struct",
    ours: capability.capHeader(),
    headers: ["linux/capability.h"],
    type: "struct __user_cap_header_struct",
    set: "s.version = _LINUX_CAPABILITY_VERSION_3;",
  },
  {
    name: "__user_cap_data_struct",
    ours: capability.capData({ effective: 1n << 40n, permitted: 0x1ff_ffff_ffffn, inheritable: 0x8000_0000n }),
    headers: ["linux/capability.h"],
    type: "struct { struct __user_cap_data_struct d[2]; }",
    set: `s.d[1].effective = 1 << 8; s.d[0].permitted = ~0u; s.d[1].permitted = 0x1ff; s.d[0].inheritable = 1u << 31;`,
  },
  {
    name: "ifreq",
    ours: ioctl.ifreqFlags("lo", 0x41),
    headers: ["linux/if.h"],
    type: "struct ifreq",
    set: 'strcpy(s.ifr_name, "lo"); s.ifr_flags = IFF_UP | IFF_RUNNING;',
  },
  {
    name: "winsize",
    ours: ioctl.winsize(24, 65535),
    headers: ["sys/ioctl.h"],
    type: "struct winsize",
    set: "s.ws_row = 24; s.ws_col = 65535;",
  },
];

describe.skipIf(!able)("struct", () => {
  it.each(STRUCTS)("$name is laid out as the header has it", ({ ours, headers, type, set }) => {
    const [theirs] = runC(headers, `${type} s; memset(&s, 0, sizeof(s)); ${set} hex(&s, sizeof(s));`);
    expect(Buffer.from(ours).toString("hex")).toBe(theirs);
  });

  it("device numbers are encoded as mknod takes them: the C library's, of which the kernel takes 32 bits", () => {
    const numbers = [
      [1, 3],
      [10, 229],
      [4095, 0],
      [0, 1048575],
      [4095, 1048575],
      [259, 300],
    ] as const;
    const lines = runC(
      ["sys/sysmacros.h"],
      numbers.map(([major, minor]) => `printf("%u\\n", (unsigned)makedev(${major}, ${minor}));`).join("\n"),
    );
    expect(numbers.map(([major, minor]) => stat.makedev(major, minor) >>> 0)).toEqual(lines.map(Number));
  });
});
