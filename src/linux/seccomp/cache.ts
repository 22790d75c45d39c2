// Keeps compiled filters, because engines send the same profile with every container: to compile Docker's takes 3 ms, to read it back
// a tenth of that, and libseccomp is not even loaded. bench/seccomp.ts measures both.
//
//   <directory>/<hash>   u32 length of the key, u32 length of the program, struct sock_filter[], the same again, the key
//
// The key is the whole profile, and is compared as a whole: a hash that two profiles share costs a compilation, never the
// wrong filter. What else a filter depends on is in the key too: the installed libseccomp and the version of our compiler.
// The program is there twice against a disk that lost power (a hole in both is as long as both), not against an enemy.
//
// An enemy would have to write here, and only who tsrun runs as can: directory and file must be that user's own, writable to
// nobody else, and be no links. What is otherwise is neither read nor written, wherever --root may point. (Without root rights
// that user is the one whom the container is to be kept from; who can write as that user needs no container.)
// A cache that cannot be read or written is no error.

import type { Seccomp } from "../../spec/config.gen.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../abi/fcntl.ts";
import { concatBytes, sameBytes } from "../bytes.ts";
import { list, makeDirectories } from "../directories.ts";
import { descriptorStatus, type FileStatus, statusOf } from "../file-status.ts";
import { OpenFile, read, unlink } from "../files.ts";
import { putFile } from "../whole-file.ts";
import { type CompiledSeccomp, compileSeccomp, seccompFlags } from "./compile.ts";

/** To be raised when the same profile is to give another filter. */
const COMPILER = 2;
/** More profiles than this in one boot are not engines' defaults: start again. */
const MOST_FILES = 64;
/** Bytes before the program. */
const HEADER = 8;
const LIBRARY_PLACES = [
  `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`,
  "/usr/lib64",
  "/usr/lib",
];

/**
 * As compileSeccomp, but keeps the filter in `directory` for the next container, and takes it from there.
 * @throws ConfigError as compileSeccomp does
 */
export function cachedSeccomp(seccomp: Seccomp, directory: string, makeParent: () => void = () => {}): CompiledSeccomp {
  const { listenerPath: _, listenerMetadata: __, flags: ___, ...rules } = seccomp; // what the program does not depend on
  const key = new TextEncoder().encode(JSON.stringify([COMPILER, libraryIdentity(), rules], exactNumbers(rules)));
  const name = nameOf(key);
  const kept = attempt(() => readFilter(directory, name, key));
  if (kept !== undefined) return { filter: kept, flags: seccompFlags(seccomp) };
  const compiled = compileSeccomp(seccomp);
  attempt(() => {
    makeParent();
    writeFilter(directory, name, key, compiled.filter);
  });
  return compiled;
}

/** Which libseccomp would be loaded: the file that the soname leads to, and when it was put there. */
function libraryIdentity(): string {
  for (const place of LIBRARY_PLACES) {
    const path = `${place}/libseccomp.so.2`;
    const status = statusOf(path);
    if (status !== undefined) return `${path} ${status.inode} ${status.size} ${status.modified}`;
  }
  return "elsewhere";
}

/** For JSON.stringify, where there are any that JSON has not: it would be called for every name. */
function exactNumbers({
  syscalls = [],
}: Pick<Seccomp, "syscalls">): ((key: string, value: unknown) => unknown) | undefined {
  const isBig = ({ value, valueTwo }: { value: unknown; valueTwo?: unknown }): boolean =>
    typeof value === "bigint" || typeof valueTwo === "bigint";
  if (!syscalls.some(({ args }) => args?.some(isBig))) return undefined;
  return (_, value) => (typeof value === "bigint" ? `${value}n` : value);
}

/** A name: FNV-1a of every 64th byte. Profiles of 30 KB are not worth reading through for it, and the rest is compared. */
function nameOf(bytes: Uint8Array): string {
  let state = 0x811c9dc5;
  for (let at = 0; at < bytes.length; at += 64) state = Math.imul(state ^ (bytes[at] ?? 0), 0x01000193);
  return `${(state >>> 0).toString(16)}-${bytes.length.toString(16)}`;
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

/** @throws FileError */
function readFilter(directory: string, name: string, key: Uint8Array): Uint8Array | undefined {
  using opened = new OpenFile(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!isOurs(descriptorStatus(opened.fd), "directory")) return undefined;
  using file = new OpenFile(`/proc/self/fd/${opened.fd}/${name}`, O_RDONLY | O_NOFOLLOW);
  const status = descriptorStatus(file.fd);
  if (!isOurs(status, "file")) return undefined;
  const content = new Uint8Array(status.size);
  return read(file.fd, content) === content.length ? filterOf(content, key) : undefined;
}

/** Whether nobody but us, and root, can have put it there or changed it. */
function isOurs({ kind, uid, mode }: FileStatus, wanted: FileStatus["kind"]): boolean {
  const WRITABLE_TO_OTHERS = 0o022;
  return kind === wanted && uid === process.geteuid?.() && (mode & WRITABLE_TO_OTHERS) === 0;
}

function filterOf(content: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  if (content.length < HEADER) return undefined;
  const [keyLength, length = 0] = new Uint32Array(content.buffer, 0, 2);
  if (keyLength !== key.length || length === 0 || content.length !== HEADER + 2 * length + key.length) return undefined;
  const [program, again] = [HEADER, HEADER + length].map((at) => content.subarray(at, at + length)) as [
    Uint8Array,
    Uint8Array,
  ];
  const isWhole = program[0] !== 0 && sameBytes(program, again); // no program begins with a 0
  return isWhole && sameBytes(key, content.subarray(HEADER + 2 * length)) ? program : undefined;
}

/** Whole or not at all, so that nobody reads half a filter. @throws FileError */
function writeFilter(directory: string, name: string, key: Uint8Array, filter: Uint8Array): void {
  makeDirectories(directory, 0o700);
  using opened = new OpenFile(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!isOurs(descriptorStatus(opened.fd), "directory")) return;
  // By the descriptor: the name may lead elsewhere by now, where we may have more rights than who made it do so.
  const inside = `/proc/self/fd/${opened.fd}`;
  if (list(inside).length >= MOST_FILES) for (const each of list(inside)) unlink(`${inside}/${each.name}`);
  const header = new Uint8Array(Uint32Array.of(key.length, filter.length).buffer);
  putFile(`${inside}/${name}`, concatBytes([header, filter, filter, key]), 0o600);
}
