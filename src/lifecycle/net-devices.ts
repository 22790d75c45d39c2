// linux.netDevices: the host's devices that become the container's. Moved once init is there, before hooks look for them;
// runtime-spec config-linux.md#network-devices.
//
// Once the container is made they are its own: the kernel alone knows what becomes of them when its network namespace goes (a
// physical one returns to the host, a veth or dummy is destroyed). But a create that fails must not cost its caller a device: then
// they go back, with name, addresses and state. What the move itself has undone stays so: routes, and addresses that were
// learnt.

import { O_RDONLY } from "../linux/abi/fcntl.ts";
import { ConfigError } from "../linux/errors.ts";
import { close, open } from "../linux/files.ts";
import type { Namespaces } from "../linux/namespaces.ts";
import {
  type Address,
  addAddress,
  bringDeviceUp,
  type Device,
  deviceNamed,
  fromTemplate,
  isGlobal,
  moveDevice,
  permanentAddresses,
} from "../linux/net-devices.ts";
import { Netlink } from "../linux/netlink.ts";
import type { Linux } from "../spec/config.gen.ts";
import { messageOf } from "./message.ts";

type Wanted = NonNullable<Linux["netDevices"]>;

/** Refuses, before anything is made, what cannot be done for anybody. */
export function checkNetDevices(wanted: Wanted = {}, namespaces: Namespaces): void {
  if (Object.keys(wanted).length === 0) return;
  if (process.geteuid?.() !== 0)
    throw new ConfigError("linux.netDevices", "only root can move the host's network devices");
  if (namespaces.joined.some(({ type, isTheHosts }) => type === "network" && isTheHosts))
    throw new ConfigError("linux.netDevices", "the container's network namespace is the host's own");
}

/** A network namespace: what is asked of it, and what names it to the kernel. */
interface Side {
  readonly netlink: Netlink;
  readonly namespace: number;
}

/** A device on the other side, and what it was on the host. */
interface Moved {
  readonly field: string;
  readonly name: string;
  readonly before: Device;
  readonly addresses: readonly Address[];
}

/** Moves devices, and back if it is disposed of before `keep`. */
export class NetDevices implements Disposable {
  #sides: { readonly host: Side; readonly container: Side; readonly resources: DisposableStack } | undefined;
  readonly #moved: Moved[] = [];

  /** Moves devices to the network namespace of process `pid`, in order. @throws ConfigError by the device's name */
  move(wanted: Wanted = {}, pid: number): void {
    const entries = Object.entries(wanted);
    if (entries.length === 0) return;
    const sides = openSides(pid);
    this.#sides = sides;
    for (const [device, { name }] of entries) {
      const field = `linux.netDevices (${device})`;
      try {
        this.#moveOne(sides.host, sides.container, device, name ?? device, field);
      } catch (error) {
        throw error instanceof ConfigError ? error : new ConfigError(field, messageOf(error));
      }
    }
  }

  #moveOne(host: Side, container: Side, device: string, template: string, field: string): void {
    const before = deviceNamed(host.netlink, device);
    if (before === undefined) throw new ConfigError(field, "there is no such network device on the host");
    const taken = (other: string): boolean => deviceNamed(container.netlink, other) !== undefined;
    const name = template.includes("%d") ? fromTemplate(template, taken) : template;
    if (taken(name)) throw new ConfigError(field, `the container has a network device ${name} already`);
    const addresses = permanentAddresses(host.netlink, before);
    const moved = { field, before, addresses };
    const oldNameTaken = taken(before.name);
    try {
      moveDevice(host.netlink, before, container.namespace, name);
    } catch (error) {
      // It may have been moved and then not named: by its old name then, unless that was taken.
      const gone = deviceNamed(host.netlink, before.name) === undefined;
      if (gone) this.#moved.push({ ...moved, name: oldNameTaken ? name : before.name });
      throw error;
    }
    this.#moved.push({ ...moved, name });
    arrive(container, name, addresses.filter(isGlobal), name === device);
  }

  /** The container is made: they are its own. Its network namespace is not held any longer. */
  keep(): void {
    this.#moved.length = 0;
    this[Symbol.dispose]();
  }

  /** In the reverse order, so that names are free again. */
  [Symbol.dispose](): void {
    if (this.#sides === undefined) return;
    const { host, container, resources } = this.#sides;
    this.#sides = undefined;
    for (const moved of this.#moved.splice(0)) resources.defer(() => moveBack(host, container, moved));
    resources.dispose();
  }
}

function openSides(pid: number) {
  using undo = new DisposableStack();
  const side = (path: string, netlink: (namespace: number) => Netlink): Side => {
    const namespace = undo.adopt(open(path, O_RDONLY), close);
    return { namespace, netlink: undo.use(netlink(namespace)) };
  };
  const host = side("/proc/self/ns/net", () => Netlink.here());
  const container = side(`/proc/${pid}/ns/net`, (namespace) => Netlink.in(namespace));
  return { host, container, resources: undo.move() };
}

/** Makes a device that was moved what it is to be. */
function arrive({ netlink }: Side, name: string, addresses: readonly Address[], sameName: boolean): void {
  const device = deviceNamed(netlink, name);
  if (device === undefined) throw new Error(`the network device has vanished on its way: ${name}`);
  for (const address of addresses) addAddress(netlink, device, address, sameName);
  bringDeviceUp(netlink, device);
}

function moveBack(host: Side, container: Side, { field, name, before, addresses }: Moved): void {
  try {
    const device = deviceNamed(container.netlink, name);
    if (device === undefined) throw new Error("the container has it no more");
    moveDevice(container.netlink, device, host.namespace, before.name);
    const back = deviceNamed(host.netlink, before.name);
    if (back === undefined) throw new Error("it has vanished on its way");
    for (const address of addresses) addAddress(host.netlink, back, address, true);
    if (before.up) bringDeviceUp(host.netlink, back);
  } catch (error) {
    throw new ConfigError(field, `cannot be given back to the host: ${messageOf(error)}`);
  }
}
