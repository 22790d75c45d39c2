// The functions of libsystemd that are used: sd-bus(3). The library is loaded by those who use this driver only. Calls return
// 0 or more, or -errno as a 32-bit int in a 64-bit register, whose upper half means nothing.

import { errnoName, errnoText } from "../../abi/errno.ts";
import type { NativeFunction } from "../../libc.ts";
import { neededLibrary } from "../../needed-library.ts";

const SONAME = "libsystemd.so.0";
const FUNCTIONS = {
  sd_bus_new: 1,
  sd_bus_set_address: 2,
  sd_bus_start: 1,
  sd_bus_open_system: 1,
  sd_bus_open_user: 1,
  sd_bus_flush_close_unref: 1,
  sd_bus_message_new_method_call: 6,
  sd_bus_message_append_basic: 3,
  sd_bus_message_open_container: 3,
  sd_bus_message_close_container: 1,
  sd_bus_message_enter_container: 3,
  sd_bus_message_read_basic: 3,
  sd_bus_message_is_signal: 3,
  sd_bus_message_unref: 1,
  sd_bus_call: 5,
  sd_bus_error_free: 1,
  sd_bus_process: 2,
  sd_bus_wait: 2,
} as const;

/** All of them, by name. */
export type Libsystemd = Readonly<Record<keyof typeof FUNCTIONS, NativeFunction>>;

let bound: Libsystemd | undefined;

/** @throws ConfigError where there is no libsystemd */
export function libsystemd(): Libsystemd {
  bound ??= neededLibrary(SONAME, FUNCTIONS, {
    field: "--systemd-cgroup",
    use: "speaks with systemd (Debian: libsystemd0)",
  });
  return bound;
}

/** systemd, or the way to it, refuses something. */
export class BusError extends Error {
  override readonly name = "BusError";
  /** The error's name on the bus, "org.freedesktop.systemd1.UnitExists"; undefined where there was no answer. */
  readonly kind: string | undefined;
  constructor(message: string, kind?: string) {
    super(message);
    this.kind = kind;
  }
}

/** The result of a call for `what`. @throws BusError when it failed */
export function checked(result: number, what: string): number {
  const value = result | 0;
  if (value < 0) throw new BusError(`${what}: ${reason(value)}`);
  return value;
}

/** A negative result in words. */
export function reason(result: number): string {
  const errno = -(result | 0);
  return `${errnoName(errno)} (${errnoText(errno)})`;
}

/** A type's letter, as a char. */
export function code(letter: string): number {
  return letter.charCodeAt(0);
}
