// A connection to systemd: sd_bus_call(3), sd_bus_process(3). No callbacks: what is waited for is taken from the queue.
//
// Both systemds, the machine's and the user's, listen on a socket of their own as well as on the message bus. The socket is asked
// first, as systemctl(1) does: it is there without a bus, and a step shorter.

import { exists } from "../../file-status.ts";
import { memory, textAt } from "../../libc.ts";
import { BusError, checked, code, type Libsystemd, libsystemd, reason } from "./libsystemd.ts";
import { type Argument, appendArguments } from "./message.ts";
import type { SystemdBus } from "./unit.ts";

/** How long systemd may take for an answer. */
const PATIENCE_US = 30_000_000;

/** struct sd_bus_error: name, message, int _need_free. */
const ERROR_SIZE = 24;

const SYSTEMD = "org.freedesktop.systemd1";
const OBJECT = "/org/freedesktop/systemd1";
const MANAGER = "org.freedesktop.systemd1.Manager";

/** A connection. Disposing of it closes it. */
export class Bus implements Disposable {
  readonly #api: Libsystemd;
  readonly #bus: number;
  /** Whether a broker is in between, who has to be told which signals are wanted. */
  readonly #brokered: boolean;

  private constructor(api: Libsystemd, bus: number, brokered: boolean) {
    this.#api = api;
    this.#bus = bus;
    this.#brokered = brokered;
  }

  /** @throws BusError when there is no systemd that answers, ConfigError without libsystemd */
  static connect(which: SystemdBus): Bus {
    const api = libsystemd();
    const direct = openSocket(api, which);
    if (direct !== undefined) return new Bus(api, direct, false);
    const out = memory(8);
    const open = which === "user" ? api.sd_bus_open_user : api.sd_bus_open_system;
    const result = open(out.bytes) | 0;
    if (result < 0) throw new BusError(`cannot reach systemd: the ${which} bus answers ${reason(result)}`);
    return new Bus(api, word(out.bytes), true);
  }

  [Symbol.dispose](): void {
    this.#api.sd_bus_flush_close_unref(this.#bus);
  }

  /** Has the ends of jobs told to this connection. @throws BusError */
  subscribe(): void {
    if (!this.#brokered) return;
    const broker = "org.freedesktop.DBus";
    const rule = `type='signal',sender='${SYSTEMD}',interface='${MANAGER}',member='JobRemoved'`;
    this.#send([broker, "/org/freedesktop/DBus", broker, "AddMatch"], [{ signature: "s", value: rule }], () => "");
    this.call("Subscribe", []);
  }

  /** Calls a method of the manager that returns nothing, or what does not matter. @throws BusError */
  call(member: string, args: readonly Argument[]): void {
    this.#send([SYSTEMD, OBJECT, MANAGER, member], args, () => "");
  }

  /** Calls a method of the manager that makes a job. Returns the job's path. @throws BusError */
  callForJob(member: string, args: readonly Argument[]): string {
    return this.#send([SYSTEMD, OBJECT, MANAGER, member], args, (reply) => this.#text(reply, "o"));
  }

  /** A property of the manager that is a string. @throws BusError */
  property(name: string): string {
    const args = [MANAGER, name].map((value) => ({ signature: "s", value }));
    return this.#send([SYSTEMD, OBJECT, "org.freedesktop.DBus.Properties", "Get"], args, (reply) => {
      checked(this.#api.sd_bus_message_enter_container(reply, code("v"), "s"), name);
      return this.#text(reply, "s");
    });
  }

  /**
   * Waits until a job is over, and returns how it ended ("done", "failed"); undefined when `deadline`, a moment of
   * performance.now(), came first. @throws BusError
   */
  jobResult(job: string, deadline: number): string | undefined {
    for (let left = 1; left > 0; left = deadline - performance.now()) {
      const out = memory(8);
      const handled = checked(this.#api.sd_bus_process(this.#bus, out.bytes), "waiting for systemd");
      const result = this.#resultIn(word(out.bytes), job);
      if (result !== undefined) return result;
      const patience = Math.max(0, Math.ceil((deadline - performance.now()) * 1000));
      if (handled === 0) checked(this.#api.sd_bus_wait(this.#bus, patience), "waiting for systemd");
    }
    return undefined;
  }

  /** Of the signal JobRemoved(u id, o job, s unit, s result), if it is that and about this job. */
  #resultIn(message: number, job: string): string | undefined {
    if (message === 0) return undefined;
    try {
      if ((this.#api.sd_bus_message_is_signal(message, MANAGER, "JobRemoved") | 0) <= 0) return undefined;
      this.#read(message, "u");
      if (this.#text(message, "o") !== job) return undefined;
      this.#text(message, "s");
      return this.#text(message, "s");
    } finally {
      this.#api.sd_bus_message_unref(message);
    }
  }

  #send(
    to: readonly [destination: string, path: string, of: string, member: string],
    args: readonly Argument[],
    read: (reply: number) => string,
  ): string {
    const api = this.#api;
    const member = to[3];
    const [out, answer, error] = [memory(8), memory(8), memory(ERROR_SIZE)];
    checked(api.sd_bus_message_new_method_call(this.#bus, out.bytes, ...to), member);
    const message = word(out.bytes);
    try {
      appendArguments(api, message, args);
      const result = api.sd_bus_call(this.#bus, message, PATIENCE_US, error.bytes, answer.bytes) | 0;
      if (result < 0) throw refusal(member, result, error.bytes);
      return read(word(answer.bytes));
    } finally {
      api.sd_bus_error_free(error.bytes);
      if (word(answer.bytes) !== 0) api.sd_bus_message_unref(word(answer.bytes));
      api.sd_bus_message_unref(message);
    }
  }

  #text(message: number, type: "s" | "o"): string {
    return textAt(this.#read(message, type));
  }

  /** A basic value, or where the text is. */
  #read(message: number, type: string): number {
    const out = memory(8);
    checked(this.#api.sd_bus_message_read_basic(message, code(type), out.bytes), "reading an answer of systemd's");
    return word(out.bytes);
  }
}

/** systemd's own socket, connected to; undefined where that cannot be. */
function openSocket(api: Libsystemd, which: SystemdBus): number | undefined {
  const runtime = which === "system" ? "/run" : process.env.XDG_RUNTIME_DIR;
  const path = `${runtime}/systemd/private`;
  if (!runtime || !exists(path)) return undefined;
  const out = memory(8);
  checked(api.sd_bus_new(out.bytes), "sd_bus_new");
  const bus = word(out.bytes);
  // In an address, what is no letter of a usual path is %XX, as in a URL.
  const escaped = path.replace(/[^A-Za-z0-9_/.-]/g, (letter) => encodeURIComponent(letter));
  const opened = (api.sd_bus_set_address(bus, `unix:path=${escaped}`) | 0) >= 0 && (api.sd_bus_start(bus) | 0) >= 0;
  if (opened) return bus;
  api.sd_bus_flush_close_unref(bus);
  return undefined;
}

function refusal(member: string, result: number, error: Uint8Array): BusError {
  const [kind, text] = [word(error), word(error, 8)];
  if (kind === 0) return new BusError(`${member}: ${reason(result)}`);
  return new BusError(`${member}: ${text === 0 ? reason(result) : textAt(text)}`, textAt(kind));
}

/** A 64-bit word: an address, mostly. */
function word(bytes: Uint8Array, offset = 0): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(offset, true));
}
