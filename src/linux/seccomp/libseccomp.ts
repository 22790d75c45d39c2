// libseccomp, of which a filter is asked for: names and numbers of system calls on every architecture, and the search
// tree. seccomp_init(3), seccomp_rule_add(3), seccomp_export_bpf(3). The filter is never loaded here: the container's
// process does that itself, with the bytes.
//
// Calls return 0, or -errno as a 32-bit int in a 64-bit register, whose upper half means nothing: `int`.

import { EINVAL, errnoName, errnoText } from "../abi/errno.ts";
import { MFD_CLOEXEC, MFD_NOEXEC_SEAL } from "../abi/fcntl.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { ConfigError } from "../errors.ts";
import { close, fileCall, readAll } from "../files.ts";
import { type NativeFunction, syscall } from "../libc.ts";
import { neededLibrary } from "../needed-library.ts";

/** The name that ld.so(8) knows the library by. */
export const SONAME = "libseccomp.so.2";
const FUNCTIONS = {
  seccomp_init: 1,
  seccomp_release: 1,
  seccomp_arch_native: 0,
  seccomp_arch_resolve_name: 1,
  seccomp_arch_add: 2,
  seccomp_attr_set: 3,
  seccomp_syscall_resolve_name: 1,
  seccomp_syscall_resolve_name_arch: 2,
  seccomp_rule_add_array: 5,
  seccomp_export_bpf: 2,
} as const;

type Functions = Readonly<Record<keyof typeof FUNCTIONS, NativeFunction>>;

/** One comparison of an argument: `struct scmp_arg_cmp`. */
export interface Condition {
  readonly index: number;
  /** enum scmp_compare */
  readonly op: number;
  readonly a: bigint;
  readonly b: bigint;
}

/** Returned instead of a number for a name that libseccomp does not know on any architecture. */
export const UNKNOWN = -1;
const SCMP_FLTATR_CTL_OPTIMIZE = 8;
const OPTIMIZE_BINARY_TREE = 2;

let bound: Functions | undefined;

function functions(): Functions {
  bound ??= neededLibrary(SONAME, FUNCTIONS, { field: "linux.seccomp", use: "compiles filters (Debian: libseccomp2)" });
  return bound;
}

/** A filter that is being built, in the library's memory until it is disposed of. */
export class Filter implements Disposable {
  readonly #library: Functions;
  readonly #context: number;

  /** For the native architecture, and no rules: `defaultAction` is the answer to everything. */
  constructor(defaultAction: number) {
    this.#library = functions();
    this.#context = this.#library.seccomp_init(defaultAction);
    if (this.#context === 0) throw new ConfigError("linux.seccomp.defaultAction", "libseccomp refuses it");
  }

  [Symbol.dispose](): void {
    this.#library.seccomp_release(this.#context);
  }

  /** The token of the architecture that this runs on: its AUDIT_ARCH, as the kernel puts it in seccomp_data. */
  nativeArchitecture(): number {
    return this.#library.seccomp_arch_native() >>> 0;
  }

  /** The token of an architecture by libseccomp's name ("x86_64"); 0 when this libseccomp does not know it. */
  architecture(name: string): number {
    return this.#library.seccomp_arch_resolve_name(name) >>> 0;
  }

  /** Filters calls of one more architecture by the same rules. One that is there already may be added again. */
  addArchitecture(token: number, field: string): void {
    this.#check(int(this.#library.seccomp_arch_add(this.#context, token)), "seccomp_arch_add", field, "EEXIST");
  }

  /** Search tree instead of a list: for the kernel a dozen steps instead of hundreds. */
  useBinaryTree(): void {
    // libseccomp before 2.5 has no such attribute, and the filter works without it.
    this.#library.seccomp_attr_set(this.#context, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_BINARY_TREE);
  }

  /**
   * The number of a system call, on `architecture` or the native one; negative when it is not there but elsewhere;
   * undefined for a name that is none.
   */
  resolve(name: string, architecture?: number): number | undefined {
    const number = int(
      architecture === undefined
        ? this.#library.seccomp_syscall_resolve_name(name)
        : this.#library.seccomp_syscall_resolve_name_arch(architecture, name),
    );
    return number === UNKNOWN ? undefined : number;
  }

  /** As `resolve` of each name, with UNKNOWN for what is none: profiles have four hundred, for three architectures. */
  resolveAll(names: readonly string[], architecture: number): Int32Array {
    const { seccomp_syscall_resolve_name_arch: resolve } = this.#library;
    const numbers = new Int32Array(names.length);
    for (let i = 0; i < names.length; i++) numbers[i] = resolve(architecture, names[i] as string);
    return numbers;
  }

  /** Answers `action` to a call when all conditions hold; an argument may be in one of them only. */
  addRule(action: number, call: number, conditions: readonly Condition[], field: string): void {
    const { seccomp_rule_add_array } = this.#library;
    const result = seccomp_rule_add_array(this.#context, action, call, conditions.length, encode(conditions));
    this.#check(int(result), "seccomp_rule_add", field, "EEXIST");
  }

  /** The program as `struct sock_filter[]`. */
  program(): Uint8Array {
    const fd = memfd();
    try {
      this.#check(int(this.#library.seccomp_export_bpf(this.#context, fd)), "seccomp_export_bpf", "linux.seccomp");
      return rewound(fd);
    } finally {
      close(fd);
    }
  }

  #check(result: number, call: string, field: string, harmless?: string): void {
    if (result >= 0 || errnoName(-result) === harmless) return;
    throw new ConfigError(field, `${call}: ${errnoName(-result)} (${errnoText(-result)})`);
  }
}

/** struct scmp_arg_cmp: u32 arg, u32 op, u64 datum_a, u64 datum_b. */
function encode(conditions: readonly Condition[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(24 * conditions.length));
  for (const [n, { index, op, a, b }] of conditions.entries()) {
    view.setUint32(24 * n, index, true);
    view.setUint32(24 * n + 4, op, true);
    view.setBigUint64(24 * n + 8, a, true);
    view.setBigUint64(24 * n + 16, b, true);
  }
  return new Uint8Array(view.buffer);
}

function int(word: number): number {
  return word | 0;
}

const NAME = "tsrun-seccomp";

function memfd(): number {
  const number = syscallNumber("memfd_create");
  const sealed = syscall(number, NAME, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  const fd = sealed === -EINVAL ? syscall(number, NAME, MFD_CLOEXEC) : sealed;
  if (fd >= 0) return fd;
  throw new ConfigError("linux.seccomp", `memfd_create: ${errnoName(-fd)} (${errnoText(-fd)})`);
}

/** All of a file that was just written, from its start. The kernel takes 4096 instructions; what is longer fails there. */
function rewound(fd: number): Uint8Array {
  fileCall("lseek", "libseccomp's program", fd, 0, 0);
  return readAll(fd);
}
