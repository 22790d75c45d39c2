// <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h>, <linux/if_addr.h>: netlink(7), rtnetlink(7).
//
//    message     u32 length, u16 type, u16 flags, u32 sequence, u32 port; then a body; then attributes
//    attribute   u16 length (of it all but the padding), u16 type, value; padded to 4
//    link        u8 family, pad, u16 type, s32 index, u32 flags, u32 change                       struct ifinfomsg
//    address     u8 family, u8 prefix length, u8 flags, u8 scope, u32 index                       struct ifaddrmsg

export const NETLINK_ROUTE = 0;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** NLM_F_ROOT | NLM_F_MATCH: all there are. */
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_CREATE = 0x400;

export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_GETADDR = 22;

export const IFLA_IFNAME = 3;
export const IFLA_NET_NS_FD = 28;

export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_LABEL = 3;
export const IFA_BROADCAST = 4;
export const IFA_FLAGS = 8;
export const IFA_RT_PRIORITY = 9;

export const IFA_F_PERMANENT = 0x80;
export const IFA_F_NODAD = 0x02;
export const IFA_F_HOMEADDRESS = 0x10;
export const IFA_F_MANAGETEMPADDR = 0x100;
export const IFA_F_NOPREFIXROUTE = 0x200;
export const IFA_F_MCAUTOJOIN = 0x400;
export const RT_SCOPE_UNIVERSE = 0;

const HEADER = 16;
/** Bytes of struct ifinfomsg and struct ifaddrmsg. */
export const LINK_SIZE = 16;
export const ADDRESS_SIZE = 8;

/** An attribute. */
export type Attribute = readonly [type: number, value: Uint8Array];

/** A message that came: its body and what follows it. */
export interface Message {
  readonly type: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** Encodes a message. */
export function message(
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
  attributes: readonly Attribute[] = [],
): Uint8Array {
  const size = attributes.reduce((sum, [, value]) => sum + padded(4 + value.length), HEADER + padded(body.length));
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, size, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, HEADER);
  let at = HEADER + padded(body.length);
  for (const [kind, value] of attributes) {
    view.setUint16(at, 4 + value.length, true);
    view.setUint16(at + 2, kind, true);
    bytes.set(value, at + 4);
    at += padded(4 + value.length);
  }
  return bytes;
}

/** The messages in what one recvfrom(2) brought. */
export function messages(bytes: Uint8Array): Message[] {
  const found: Message[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > bytes.length) break;
    const data = bytes.slice(at + HEADER, at + length);
    found.push({ type: view.getUint16(at + 4, true), sequence: view.getUint32(at + 8, true), data });
    at += padded(length);
  }
  return found;
}

/** The attributes behind a body of `size` bytes, by type; of a type that comes twice, the last one. */
export function attributes(data: Uint8Array, size: number): Map<number, Uint8Array> {
  const NESTED = 0xc000; // NLA_F_NESTED, NLA_F_NET_BYTEORDER
  const found = new Map<number, Uint8Array>();
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  for (let at = padded(size); at + 4 <= data.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > data.length) break;
    found.set(view.getUint16(at + 2, true) & ~NESTED, data.slice(at + 4, at + length));
    at += padded(length);
  }
  return found;
}

/** `struct ifinfomsg`. */
export function linkBody(index: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(LINK_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, flags, true); // only those that are set are to change
  return bytes;
}

/** `struct ifaddrmsg`. */
export function addressBody(family: number, prefix: number, scope: number, index: number): Uint8Array {
  const bytes = Uint8Array.of(family, prefix, 0, scope, 0, 0, 0, 0);
  new DataView(bytes.buffer).setUint32(4, index, true);
  return bytes;
}

/** A u32 as an attribute has it. */
export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
