// <asm-generic/ioctls.h>, <linux/sockios.h>: the ioctls that tsrun uses. See ioctl_tty(2), netdevice(7).

export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
export const TIOCSCTTY = 0x540e;
export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const TIOCSPTLCK = 0x4004_5431;
export const TIOCGPTN = 0x8004_5430;
export const TIOCGPTPEER = 0x5441;

export const SIOCSIFFLAGS = 0x8914;
export const IFF_UP = 1;
export const IFF_RUNNING = 0x40;

/** `struct ifreq`: char name[16], then s16 flags. */
export function ifreqFlags(name: string, flags: number): Uint8Array {
  const bytes = new Uint8Array(40);
  bytes.set(new TextEncoder().encode(name));
  new DataView(bytes.buffer).setInt16(16, flags, true);
  return bytes;
}

/** `struct winsize`: u16 rows, columns, x and y pixels. */
export function winsize(rows: number, columns: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, rows, true);
  view.setUint16(2, columns, true);
  return bytes;
}
