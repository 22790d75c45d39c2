// <sys/socket.h>: what sockets are made with, and what comes with a message. socket(2), unix(7), cmsg(3).

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_CLOEXEC = 0o2000000;

export const SOL_SOCKET = 1;
export const SO_RCVTIMEO = 20;
export const SCM_RIGHTS = 1;
export const MSG_TRUNC = 0x20;
export const MSG_CMSG_CLOEXEC = 0x4000_0000;
