// A seccomp agent, as engines run one: it listens on a unix socket for the descriptors of containers' filters, and answers the
// calls that those ask about. seccomp_unotify(2); config-linux.md#containerprocessstate.

import { closeSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { acceptWaiting, ioctl, listenUnix, readable, receiveDescriptors } from "./libc.ts";
import { runtimeKind } from "./runtime.ts";
import type { Sandbox } from "./sandbox.ts";
import { until } from "./until.ts";

/** Milliseconds between two looks: somebody waits for every answer. */
const PAUSE = 2;

// <linux/seccomp.h>
const NOTIF_RECV = 0xc050_2100;
const NOTIF_SEND = 0xc018_2101;
const NOTIF_ID_VALID = 0x4008_2102;
const FLAG_CONTINUE = 1;

/** The container process state, as far as tests read it. */
export interface Told {
  readonly ociVersion: string;
  readonly fds: readonly string[];
  readonly pid: number;
  readonly metadata?: string;
  readonly state: Readonly<Record<string, unknown>>;
}

/** A call that waits for an answer. */
export interface Question {
  readonly id: bigint;
  readonly pid: number;
  readonly nr: number;
}

/** What to do with a call: let it be made, or say that it returned something (an errno below 0). */
export type Reply = "continue" | number;

/** The socket at listenerPath. */
export class ListenerSocket {
  readonly path: string;
  readonly #listener: number;
  readonly #box: Sandbox;

  constructor(box: Sandbox, name = "seccomp.sock") {
    this.path = box.path(name);
    this.#listener = listenUnix(this.path);
    this.#box = box;
    box.defer(() => closeSync(this.#listener));
  }

  /** Whether somebody has connected. */
  get called(): boolean {
    return readable(this.#listener);
  }

  /** Waits for a runtime and takes all that it sends, until it closes (runc 1.1.5 does so when it ends). */
  async receive(): Promise<Notifier> {
    await until(() => this.called, "a connection", PAUSE);
    const connection = acceptWaiting(this.#listener);
    try {
      await until(() => readable(connection), "a word", PAUSE);
      const { text, descriptors } = receiveDescriptors(connection);
      const [fd, ...more] = descriptors;
      if (fd === undefined || more.length > 0) throw new Error(`${descriptors.length} descriptors were sent`);
      const notifier = new Notifier(fd, await parsed(text, connection));
      this.#box.defer(() => notifier.close());
      return notifier;
    } finally {
      closeSync(connection);
    }
  }
}

/** The listening end of one process's filter. */
export class Notifier {
  readonly told: Told;
  readonly #fd: number;
  #open = true;

  constructor(fd: number, told: Told) {
    this.#fd = fd;
    this.told = told;
  }

  /** Waits for a call. */
  async question(): Promise<Question> {
    await until(() => readable(this.#fd), "a call", PAUSE);
    const notif = Buffer.alloc(80);
    ioctl(this.#fd, NOTIF_RECV, notif);
    return { id: notif.readBigUInt64LE(0), pid: notif.readUInt32LE(8), nr: notif.readInt32LE(16) };
  }

  /** Answers it. Fails where nobody waits for the answer any more. */
  answer({ id }: Question, reply: Reply): void {
    const response = Buffer.alloc(24);
    response.writeBigUInt64LE(id, 0);
    if (reply === "continue") response.writeUInt32LE(FLAG_CONTINUE, 20);
    else if (reply < 0) response.writeInt32LE(reply, 16);
    else response.writeBigInt64LE(BigInt(reply), 8);
    ioctl(this.#fd, NOTIF_SEND, response);
  }

  /** Whether the process still waits for the answer. */
  isWaiting({ id }: Question): boolean {
    const word = Buffer.alloc(8);
    word.writeBigUInt64LE(id);
    try {
      ioctl(this.#fd, NOTIF_ID_VALID, word);
      return true;
    } catch {
      return false;
    }
  }

  /** Answers whatever is asked, until `ended` is settled. The numbers of the calls. */
  async serve(ended: Promise<unknown>, reply: (question: Question) => Reply): Promise<number[]> {
    const asked: number[] = [];
    let done = false;
    ended.then(
      () => {
        done = true;
      },
      () => {
        done = true;
      },
    );
    while (!done) {
      await sleep(PAUSE);
      if (!this.#open || !readable(this.#fd)) continue;
      try {
        const question = await this.question();
        asked.push(question.nr);
        this.answer(question, reply(question));
      } catch {
        // Who asked is gone, or was disturbed by a signal and asks anew.
      }
    }
    return asked;
  }

  close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }
}

/** What came and what comes until the other side closes. */
async function parsed(begun: string, connection: number): Promise<Told> {
  const pieces = [Buffer.from(begun)];
  for (;;) {
    const text = Buffer.concat(pieces).toString("utf8");
    if (runtimeKind === "runc" && text.endsWith("}")) return JSON.parse(text) as Told;
    await until(() => readable(connection), "more, or the end", PAUSE);
    const piece = Buffer.alloc(65536);
    const size = readSync(connection, piece);
    if (size === 0) return JSON.parse(text) as Told;
    pieces.push(piece.subarray(0, size));
  }
}
