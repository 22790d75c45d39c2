// <linux/stat.h>, <linux/kdev_t.h>: file types, device numbers, statx(2).

export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;

export const STATX_BASIC_STATS = 0x7ff;
export const STATX_SIZE = 256;
/** Offset of u16 stx_mode in struct statx. */
export const STATX_MODE = 28;
/** Offsets of u32 stx_rdev_major and stx_rdev_minor. */
export const STATX_RDEV_MAJOR = 128;
export const STATX_RDEV_MINOR = 132;

/** Device number as mknod(2) takes it (the kernel's new_encode_dev). */
export function makedev(major: number, minor: number): number {
  return (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12);
}
