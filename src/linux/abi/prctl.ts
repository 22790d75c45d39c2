// <linux/prctl.h>, <linux/securebits.h>, <linux/seccomp.h>, <linux/keyctl.h>, <linux/ioprio.h>, <linux/personality.h>.

export const PR_SET_DUMPABLE = 4;
export const PR_SET_KEEPCAPS = 8;
export const PR_CAPBSET_READ = 23;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_RAISE = 2;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

export const SECCOMP_SET_MODE_FILTER = 1;

export const KEYCTL_JOIN_SESSION_KEYRING = 1;
export const KEYCTL_SETPERM = 5;
/** Permissions of the session keyring: all for its possessor; view, read, search and link for its user. */
export const KEY_PERMISSIONS = 0x3f1b_0000;

export const IOPRIO_WHO_PROCESS = 1;
export const IOPRIO_CLASS_SHIFT = 13;
export const IOPRIO_CLASS = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const;

export const PERSONALITY = { LINUX: 0x0000, LINUX32: 0x0008 } as const;
