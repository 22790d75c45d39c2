// Network devices and their addresses, by rtnetlink(7): found, moved to another network namespace, named, given addresses,
// brought up. runtime-spec config-linux.md#network-devices; what becomes of them later is not the runtime's business.
//
// A device that is moved goes down and loses its addresses. The kernel moves it and only then gives it its name, so a name
// that is taken there is found out beforehand.

import { ENODEV } from "./abi/errno.ts";
import { IFF_UP } from "./abi/ioctl.ts";
import {
  ADDRESS_SIZE,
  type Attribute,
  addressBody,
  attributes,
  IFA_ADDRESS,
  IFA_BROADCAST,
  IFA_F_HOMEADDRESS,
  IFA_F_MANAGETEMPADDR,
  IFA_F_MCAUTOJOIN,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_PERMANENT,
  IFA_FLAGS,
  IFA_LABEL,
  IFA_LOCAL,
  IFA_RT_PRIORITY,
  IFLA_IFNAME,
  IFLA_NET_NS_FD,
  LINK_SIZE,
  linkBody,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  RT_SCOPE_UNIVERSE,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_NEWADDR,
  RTM_SETLINK,
  u32,
} from "./abi/rtnetlink.ts";
import { cString } from "./local.ts";
import { type Netlink, NetlinkError } from "./netlink.ts";

/** Flags of an address that somebody has set, as opposed to those that tell of its state. */
const SETTABLE = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN;

/** A device as its network namespace has it. */
export interface Device {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
}

/** An address that somebody has given a device for good. */
export interface Address {
  readonly family: number;
  readonly prefix: number;
  readonly scope: number;
  readonly flags: number;
  /** IFA_ADDRESS and the like, as the kernel has them. */
  readonly values: readonly Attribute[];
}

/** The device of that name, or alternative name; undefined where there is none. */
export function deviceNamed(netlink: Netlink, name: string): Device | undefined {
  try {
    const [answer] = netlink.request(RTM_GETLINK, linkBody(0), [[IFLA_IFNAME, cString(name)]]);
    return answer === undefined ? undefined : parseDevice(answer);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ENODEV) return undefined;
    throw error;
  }
}

/** Its permanent addresses: others depend on where they were learnt. */
export function permanentAddresses(netlink: Netlink, { index }: Device): Address[] {
  const all = netlink.dump(RTM_GETADDR, addressBody(0, 0, 0, 0));
  return all
    .filter((data) => indexOf(data) === index)
    .map(parseAddress)
    .filter(({ flags }) => (flags & IFA_F_PERMANENT) !== 0);
}

/** Whether an address means the same in another network namespace. */
export function isGlobal({ scope }: Address): boolean {
  return scope === RT_SCOPE_UNIVERSE;
}

/** Moves a device to the network namespace that a descriptor is of, where it is to have a name. */
export function moveDevice(netlink: Netlink, { index }: Device, namespace: number, name: string): void {
  netlink.request(RTM_SETLINK, linkBody(index), [
    [IFLA_NET_NS_FD, u32(namespace)],
    [IFLA_IFNAME, cString(name)],
  ]);
}

/** Gives a device an address; one that it has already is no error. Labels begin with the device's name: a new name, no label. */
export function addAddress(netlink: Netlink, { index }: Device, address: Address, withLabel: boolean): void {
  const { family, prefix, scope, flags, values } = address;
  const kept = values.filter(([type]) => withLabel || type !== IFA_LABEL);
  netlink.request(
    RTM_NEWADDR,
    addressBody(family, prefix, scope, index),
    [...kept, [IFA_FLAGS, u32(flags & SETTABLE)]],
    NLM_F_CREATE | NLM_F_REPLACE,
  );
}

/** Brings a device up. */
export function bringDeviceUp(netlink: Netlink, { index }: Device): void {
  netlink.request(RTM_SETLINK, linkBody(index, IFF_UP));
}

/** The name that a template with %d stands for: with the least number that is not taken. */
export function fromTemplate(template: string, taken: (name: string) => boolean): string {
  for (let number = 0; ; number++) {
    const name = template.replace("%d", String(number));
    if (!taken(name)) return name;
  }
}

function parseDevice(data: Uint8Array): Device {
  const flags = new DataView(data.buffer, data.byteOffset).getUint32(8, true);
  const name = attributes(data, LINK_SIZE).get(IFLA_IFNAME) ?? new Uint8Array(0);
  return {
    index: indexOf(data),
    name: new TextDecoder().decode(name).replace(/\0.*/s, ""),
    up: (flags & IFF_UP) !== 0,
  };
}

/** In both structs at the same place. */
function indexOf(data: Uint8Array): number {
  return new DataView(data.buffer, data.byteOffset).getInt32(4, true);
}

function parseAddress(data: Uint8Array): Address {
  const [family = 0, prefix = 0, few = 0, scope = 0] = data;
  const found = attributes(data, ADDRESS_SIZE);
  const all = found.get(IFA_FLAGS);
  const flags = all === undefined ? few : new DataView(all.buffer, all.byteOffset).getUint32(0, true);
  const kept = [IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_RT_PRIORITY];
  return { family, prefix, scope, flags, values: [...found].filter(([type]) => kept.includes(type)) };
}
