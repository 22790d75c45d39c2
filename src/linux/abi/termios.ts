// <asm-generic/termbits.h>: terminal modes, the same on x86-64 and AArch64. termios(3).
//
//    struct termios   +0   u32  c_iflag      +8   u32  c_cflag     +16  u8      c_line
//                     +4   u32  c_oflag      +12  u32  c_lflag     +17  u8[19]  c_cc

export const TERMIOS_SIZE = 36;

/** Offsets in the struct. */
export const TERMIOS = { iflag: 0, oflag: 4, cflag: 8, lflag: 12, cc: 17 } as const;

export const IGNBRK = 0o1;
export const BRKINT = 0o2;
export const PARMRK = 0o10;
export const ISTRIP = 0o40;
export const INLCR = 0o100;
export const IGNCR = 0o200;
export const ICRNL = 0o400;
export const IXON = 0o2000;

export const OPOST = 0o1;
export const ONLCR = 0o4;

export const CSIZE = 0o60;
export const CS8 = 0o60;
export const PARENB = 0o400;

export const ISIG = 0o1;
export const ICANON = 0o2;
export const ECHO = 0o10;
export const ECHONL = 0o100;
export const IEXTEN = 0o100000;

/** Places in c_cc. */
export const VEOF = 4;
export const VTIME = 5;
export const VMIN = 6;
