// Random configurations that root may really create on a machine that others use. Whatever was generated, what could reach
// out of the container is put in order here: there is a mount namespace of its own and none of the host's is joined, hooks
// and the program are harmless, bind mounts come out of the bundle, devices are such as null, the cgroup is the test's.

import type { Value } from "./configs.ts";

type Fields = { [key: string]: Value };

const HOOKS = [..."/bin/true ".repeat(8).trim().split(" "), "/bin/false", "/no/such/hook"];
const PROGRAMS: readonly Value[] = [
  ...Array.from({ length: 8 }, () => ["true"]),
  ...[["sh", "-c", "exit 3"], ["sleep", "0.01"], ["/no/such/program"], ["/etc"]],
];
const NULL_DEVICES = [3, 5, 7, 8, 9]; // null, zero, full, random, urandom: mem(4)
const TYPES = ["tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup", "bind"];
const POLICIES = ["SCHED_OTHER", "SCHED_BATCH", "SCHED_IDLE"];

/** The configuration, fit to be created; `cgroupsPath` is where, and `choice` chooses the program and the hooks. */
export function tame(config: Value, cgroupsPath: string, choice: number): Value {
  if (!isFields(config)) return config;
  const linux = isFields(config.linux) ? config.linux : {};
  const namespaces = namespacesOf(linux);
  const types = namespaces.map(({ type }) => type);
  const tamed: Fields = { ...config, linux: { ...linux, ...tameLinux(linux, types, cgroupsPath), namespaces } };
  tamed.root = { ...(isFields(config.root) ? config.root : {}), path: "rootfs" };
  if (!types.includes("uts")) for (const name of ["hostname", "domainname"]) delete tamed[name];
  tameEach(tamed, "mounts", tameMount);
  if (isFields(tamed.hooks))
    for (const kind of Object.keys(tamed.hooks))
      tameEach(tamed.hooks as Fields, kind, (hook, i) => ({ ...hook, path: pick(HOOKS, choice + i) }));
  if (isFields(tamed.process)) tamed.process = tameProcess(tamed.process, choice);
  return tamed;
}

/** New ones only, as many as were asked for, and always one of mounts. */
function namespacesOf({ namespaces }: Fields): { type: Value }[] {
  const asked = Array.isArray(namespaces) ? namespaces.filter(isFields) : [];
  const others = asked.map(({ type }) => ({ type: type as Value })).filter(({ type }) => type !== "mount");
  return [{ type: "mount" }, ...others];
}

function tameLinux(linux: Fields, types: readonly Value[], cgroupsPath: string): Fields {
  const tamed: Fields = { cgroupsPath };
  for (const name of ["netDevices", "intelRdt"]) if (name in linux) tamed[name] = {};
  if (linux.rootfsPropagation !== undefined)
    tamed.rootfsPropagation = likeShared(linux.rootfsPropagation) ? "slave" : linux.rootfsPropagation;
  if (linux.sysctl !== undefined) tamed.sysctl = types.includes("network") ? { "net.ipv4.ip_forward": "0" } : {};
  if (isFields(linux.seccomp)) tamed.seccomp = { ...linux.seccomp, listenerPath: "" };
  if (Array.isArray(linux.devices))
    tamed.devices = linux.devices.map((device, i) => (isFields(device) ? tameDevice(device, i) : device));
  return tamed;
}

function tameDevice(device: Fields, i: number): Fields {
  return {
    ...device,
    type: "c",
    path: `/dev/random-${i}`,
    major: 1,
    minor: NULL_DEVICES[i % NULL_DEVICES.length] as number,
  };
}

function tameEach(fields: Fields, name: string, one: (item: Fields, i: number) => Fields): void {
  const list = fields[name];
  if (Array.isArray(list)) fields[name] = list.map((item, i) => (isFields(item) ? one(item, i) : item));
}

function tameMount(mount: Fields): Fields {
  const options = Array.isArray(mount.options) ? mount.options.filter((option) => !likeShared(option)) : mount.options;
  const binds =
    mount.type === "bind" || (Array.isArray(options) && options.some((option) => /bind/.test(String(option))));
  return {
    ...mount,
    ...(options !== undefined && { options: options as Value }),
    type: binds ? "bind" : TYPES.includes(mount.type as string) ? (mount.type as string) : "tmpfs",
    source: binds ? "data" : "source",
  };
}

function tameProcess(process: Fields, choice: number): Fields {
  const { scheduler } = process;
  const isLow = !isFields(scheduler) || POLICIES.includes(scheduler.policy as string);
  return {
    ...process,
    ...(Array.isArray(process.args) && process.args.length > 0 && { args: pick(PROGRAMS, choice) }),
    ...(!isLow && { scheduler: { ...scheduler, policy: "SCHED_OTHER", priority: 0 } }),
  };
}

function likeShared(value: Value): boolean {
  return typeof value === "string" && /shared/.test(value);
}

function pick<Item>(items: readonly Item[], choice: number): Item {
  return items[choice % items.length] as Item;
}

function isFields(value: Value | undefined): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
