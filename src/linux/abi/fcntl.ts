// <linux/fcntl.h>, <linux/openat2.h>, <linux/close_range.h>, <linux/memfd.h>: flags of open, openat2 and the *at calls, of
// fcntl(2) and memfd_create(2). See openat2(2).
// O_DIRECTORY and O_NOFOLLOW differ between architectures.

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;
export const AT_RECURSIVE = 0x8000;

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
export const O_TMPFILE = 0o20000000 | O_DIRECTORY;
export const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;

export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;

export const X_OK = 1;
export const AT_EACCESS = 0x200;

export const F_DUPFD_CLOEXEC = 1030;
export const F_ADD_SEALS = 1033;
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;
export const F_SEAL_WRITE = 0x8;

export const CLOSE_RANGE_CLOEXEC = 4;

export const MFD_CLOEXEC = 0x1;
export const MFD_ALLOW_SEALING = 0x2;
/** Linux 6.3; where vm.memfd_noexec=2 no other kind is to be had. */
export const MFD_NOEXEC_SEAL = 0x8;
/** Linux 6.3. Without it those kernels warn, or make the memfd not executable where vm.memfd_noexec=1. */
export const MFD_EXEC = 0x10;

/** Those that were asked for: plans have many, of few kinds, and nobody writes to them. */
const hows = new Map<string, Uint8Array>();

/** `struct open_how`: u64 flags, u64 mode, u64 resolve. */
export function openHow(flags: number, mode: number, resolve: number): Uint8Array {
  const key = `${flags} ${mode} ${resolve}`;
  const how = hows.get(key) ?? newOpenHow(flags, mode, resolve);
  hows.set(key, how);
  return how;
}

function newOpenHow(flags: number, mode: number, resolve: number): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, flags, true);
  view.setUint32(8, mode, true);
  view.setUint32(16, resolve, true);
  return bytes;
}

/** <linux/fs.h>, lseek(2). */
export const SEEK_SET = 0;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
