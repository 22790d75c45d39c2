// A listening unix socket on which the runtime leaves one message with one descriptor, as --console-socket and --pidfd-socket
// want it. Accepted only after the runtime has ended, as containerd's shim does.

import { closeSync } from "node:fs";
import { acceptWaiting, listenUnix, receiveDescriptors } from "./libc.ts";
import type { Sandbox } from "./sandbox.ts";

export class DescriptorSocket {
  readonly path: string;
  readonly #listener: number;

  constructor(box: Sandbox, name: string) {
    this.path = box.path(name);
    this.#listener = listenUnix(this.path);
    box.defer(() => closeSync(this.#listener));
  }

  /** Takes the descriptor that was sent, which the caller closes, and its name. */
  receive(): { descriptor: number; text: string } {
    const connection = acceptWaiting(this.#listener);
    try {
      const { text, descriptors } = receiveDescriptors(connection);
      const [descriptor, ...more] = descriptors;
      if (descriptor === undefined || more.length > 0) throw new Error(`${descriptors.length} descriptors were sent`);
      return { descriptor, text };
    } finally {
      closeSync(connection);
    }
  }
}
