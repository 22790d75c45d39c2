// <linux/stat.h>, <asm/stat.h>, <linux/kdev_t.h>: file types, device numbers, statx(2), newfstatat(2).

export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFSOCK = 0o140000;

export const STATX_BASIC_STATS = 0x7ff;
export const STATX_SIZE = 256;
/** Offset of u64 stx_attributes; whether the file is what is mounted somewhere. */
export const STATX_ATTRIBUTES = 8;
export const STATX_ATTR_MOUNT_ROOT = 0x2000;
/** Offsets of u32 stx_uid, u32 stx_gid, u16 stx_mode, u64 stx_ino and u64 stx_size in struct statx. */
export const STATX_UID = 20;
export const STATX_GID = 24;
export const STATX_MODE = 28;
export const STATX_INO = 32;
export const STATX_SIZE_OF_FILE = 40;
/** Offsets of stx_atime and stx_mtime: s64 seconds, u32 nanoseconds. */
export const STATX_ATIME = 64;
export const STATX_MTIME = 112;
/** To be asked for, and the offset of u64 stx_mnt_id. */
export const STATX_MNT_ID = 0x1000;
export const STATX_MNT_ID_OF_FILE = 144;
/** Offsets of u32 stx_rdev_major and stx_rdev_minor. */
export const STATX_RDEV_MAJOR = 128;
export const STATX_RDEV_MINOR = 132;
export const STATX_DEV_MAJOR = 136;
export const STATX_DEV_MINOR = 140;

/** struct stat, and the offset of u32 st_mode. */
export const STAT_SIZE = process.arch === "arm64" ? 128 : 144;
export const STAT_MODE = process.arch === "arm64" ? 16 : 24;

/** Device number as mknod(2) takes it (the kernel's new_encode_dev). */
export function makedev(major: number, minor: number): number {
  return (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12);
}

/** struct statfs of 64-bit architectures, <asm-generic/statfs.h>; f_type is its first word of 8. */
export const STATFS_SIZE = 120;
