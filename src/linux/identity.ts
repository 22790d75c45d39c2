// The names that a container has for itself, and its session keyring and loopback interface. runtime-spec config.md#hostname,
// #domainname; sethostname(2), session-keyring(7), netdevice(7).

import type { Config } from "../spec/config.gen.ts";
import { IFF_RUNNING, IFF_UP, ifreqFlags, SIOCSIFFLAGS } from "./abi/ioctl.ts";
import { KEY_PERMISSIONS, KEYCTL_JOIN_SESSION_KEYRING, KEYCTL_SETPERM } from "./abi/prctl.ts";
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from "./abi/socket.ts";
import { close, syscall } from "./calls.ts";
import { call } from "./local.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Plan } from "./plan.ts";

const utf8 = new TextEncoder();

/** Sets hostname and domainname. An empty one is none: no rule asked whether there is a UTS namespace for it. */
export function planNames(plan: Plan, { hostname, domainname }: Config): void {
  if (hostname) {
    const bytes = utf8.encode(hostname);
    plan.at("hostname").add(syscall("sethostname", bytes, bytes.length));
  }
  if (domainname) {
    const bytes = utf8.encode(domainname);
    plan.at("domainname").add(syscall("setdomainname", bytes, bytes.length));
  }
}

/** A session keyring. */
export interface Keyring {
  readonly name: string;
  /** Whether it is a container's that is being made, or was. */
  readonly isNew: boolean;
}

/**
 * The name for the session keyring of a container that is to be made, one that nobody can know before: who had a keyring of that
 * name, and let us search it, would have it joined.
 */
export function keyringName(id: string): string {
  const bytes = new Uint8Array(8);
  call("session keyring", "getrandom", bytes, bytes.length, 0);
  return `_ses.${id}.${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * A session keyring of the container's own, so that it does not share the caller's. Kernels without keys need none. What comes
 * later leaves its permissions alone, which are the container's to change.
 */
export function planKeyring(plan: Plan, { name, isNew }: Keyring): void {
  const join = syscall("keyctl", KEYCTL_JOIN_SESSION_KEYRING, name);
  plan.at("session keyring");
  if (!isNew) plan.tolerate("ENOSYS", join);
  else
    plan.unless("ENOSYS", join, (ring) => {
      plan.add(syscall("keyctl", KEYCTL_SETPERM, ring, KEY_PERMISSIONS));
    });
}

/** Brings the loopback interface of a new network namespace up. */
export function planLoopback(plan: Plan, { created }: Namespaces): void {
  if (!created.has("network")) return;
  plan.at("linux.namespaces (network)");
  const socket = plan.add(syscall("socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  plan.add(syscall("ioctl", socket, SIOCSIFFLAGS, ifreqFlags("lo", IFF_UP | IFF_RUNNING)));
  plan.add(close(socket));
}
