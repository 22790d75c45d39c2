// Questions and orders to the kernel's network configuration: rtnetlink(7), by a socket that belongs to the network namespace
// in which it was made, whoever uses it.

import { errnoName, errnoText } from "./abi/errno.ts";
import {
  type Attribute,
  message,
  messages,
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "./abi/rtnetlink.ts";
import { CLONE_NEWNET } from "./abi/sched.ts";
import { AF_NETLINK, MSG_TRUNC, SOCK_CLOEXEC, SOCK_RAW } from "./abi/socket.ts";
import { Agent } from "./agent/agent.ts";
import { syscall } from "./calls.ts";
import { close } from "./files.ts";
import { AgentKernel } from "./kernel.ts";
import { call, pidfdGetfd, pidfdOpen } from "./local.ts";
import { Plan } from "./plan.ts";

/** More than the kernel puts into one message: 32 KiB of a dump. */
const BUFFER = 65_536;
const SOCKET = [AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE] as const;

/** The kernel's refusal. */
export class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  readonly errno: number;

  constructor(errno: number) {
    super(`${errnoName(errno)} (${errnoText(errno)})`);
    this.errno = errno;
  }
}

/** Owns a socket of one network namespace. */
export class Netlink implements Disposable {
  readonly #socket: number;
  #sequence = 0;

  private constructor(socket: number) {
    this.#socket = socket;
  }

  /** Of the namespace that tsrun is in. */
  static here(): Netlink {
    return new Netlink(call("", "socket", ...SOCKET));
  }

  /** Of another one. It is made by an agent, which goes there and ends: tsrun stays where it is, whatever fails. */
  static in(namespace: number): Netlink {
    using agent = Agent.spawn({ argv0: "tsrun:netlink", fds: [[namespace, namespace]] });
    const plan = new Plan();
    plan.add(syscall("setns", namespace, CLONE_NEWNET));
    const socket = plan.add(syscall("socket", ...SOCKET));
    const number = new AgentKernel(agent).run(plan).value(socket);
    const pidfd = pidfdOpen(agent.pid);
    try {
      return new Netlink(pidfdGetfd(pidfd, number));
    } finally {
      close(pidfd);
    }
  }

  /** Has something done, or asks for one thing. What was answered, body and attributes each. @throws NetlinkError */
  request(type: number, body: Uint8Array, attributes: readonly Attribute[] = [], flags = 0): Uint8Array[] {
    return this.#ask(type, NLM_F_REQUEST | NLM_F_ACK | flags, body, attributes);
  }

  /** Asks for all there are. @throws NetlinkError */
  dump(type: number, body: Uint8Array): Uint8Array[] {
    return this.#ask(type, NLM_F_REQUEST | NLM_F_DUMP, body, []);
  }

  [Symbol.dispose](): void {
    close(this.#socket);
  }

  #ask(type: number, flags: number, body: Uint8Array, attributes: readonly Attribute[]): Uint8Array[] {
    this.#sequence += 1;
    const bytes = message(type, flags, this.#sequence, body, attributes);
    call("", "sendto", this.#socket, bytes, bytes.length, 0, 0, 0);
    const answers: Uint8Array[] = [];
    const buffer = new Uint8Array(BUFFER);
    for (;;) {
      const length = call("", "recvfrom", this.#socket, buffer, buffer.length, MSG_TRUNC, 0, 0);
      if (length > buffer.length) throw new Error(`Cannot read netlink: a message of ${length} bytes`);
      for (const { type: kind, sequence, data } of messages(buffer.subarray(0, length))) {
        if (sequence !== this.#sequence) continue;
        if (kind === NLMSG_DONE) return answers;
        if (kind !== NLMSG_ERROR) answers.push(data);
        else if (refusal(data) === 0) return answers;
        else throw new NetlinkError(refusal(data));
      }
    }
  }
}

/** The errno of a struct nlmsgerr; 0 for the confirmation that there was none. */
function refusal(data: Uint8Array): number {
  return -new DataView(data.buffer, data.byteOffset).getInt32(0, true);
}
