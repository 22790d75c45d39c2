// Keeps compiled filters, because engines send the same profile with every container and libseccomp takes 20 ms for it
// (Podman's 460 names, three architectures; measured). To read one back takes 0.7 ms, and libseccomp is not even loaded.
//
//   <directory>/<hash>   u32 length of the key, the key, struct sock_filter[]
//
// The key is the whole profile, and is compared as a whole: a hash that two profiles share costs a compilation, never the
// wrong filter. What else a filter depends on is in the key too: the installed libseccomp and the version of our compiler.
// A cache that cannot be read or written is no error. The directory is the runtime's own, as its state is.

import type { Seccomp } from "../../spec/config.gen.ts";
import { O_CREAT, O_EXCL, O_RDONLY } from "../abi/fcntl.ts";
import { concatBytes } from "../bytes.ts";
import { list, makeDirectories } from "../directories.ts";
import { statusOf } from "../file-status.ts";
import { OpenFile, readAll, rename, unlink, writeFile } from "../files.ts";
import { type CompiledSeccomp, compileSeccomp, seccompFlags } from "./compile.ts";

/** To be raised when the same profile is to give another filter. */
const COMPILER = 1;
/** More profiles than this in one boot are not engines' defaults: start again. */
const MOST_FILES = 64;
/** Bytes of the length. */
const LENGTH = 4;
const LIBRARY_PLACES = [
  `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`,
  "/usr/lib64",
  "/usr/lib",
];

/**
 * As compileSeccomp, but keeps the filter in `directory` for the next container, and takes it from there.
 * @throws ConfigError as compileSeccomp does
 */
export function cachedSeccomp(seccomp: Seccomp, directory: string): CompiledSeccomp {
  const { listenerPath: _, listenerMetadata: __, flags: ___, ...rules } = seccomp; // what the program does not depend on
  const key = new TextEncoder().encode(JSON.stringify([COMPILER, libraryIdentity(), rules], exactNumbers));
  const file = `${directory}/${nameOf(key)}`;
  const kept = read(file, key);
  if (kept !== undefined) return { filter: kept, flags: seccompFlags(seccomp) };
  const compiled = compileSeccomp(seccomp);
  write(directory, file, key, compiled.filter);
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

function exactNumbers(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

/** A name: FNV-1a of every 64th byte. Profiles of 30 KB are not worth reading through for it, and the rest is compared. */
function nameOf(bytes: Uint8Array): string {
  let state = 0x811c9dc5;
  for (let at = 0; at < bytes.length; at += 64) state = Math.imul(state ^ (bytes[at] ?? 0), 0x01000193);
  return `${(state >>> 0).toString(16)}-${bytes.length.toString(16)}`;
}

function read(file: string, key: Uint8Array): Uint8Array | undefined {
  let content: Uint8Array;
  try {
    using opened = new OpenFile(file, O_RDONLY);
    content = readAll(opened.fd);
  } catch {
    return undefined;
  }
  const program = content.subarray(LENGTH + key.length);
  return begins(content, key) && program.length > 0 && program.length % 8 === 0 ? program : undefined;
}

function begins(content: Uint8Array, key: Uint8Array): boolean {
  if (content.length < LENGTH + key.length) return false;
  if (new DataView(content.buffer, content.byteOffset).getUint32(0, true) !== key.length) return false;
  return key.every((byte, i) => content[LENGTH + i] === byte);
}

/** By a rename, so that nobody reads half a filter. */
function write(directory: string, file: string, key: Uint8Array, program: Uint8Array): void {
  const length = new Uint8Array(Uint32Array.of(key.length).buffer);
  const temporary = `${file}.${process.pid}`;
  try {
    makeDirectories(directory, 0o700);
    if (list(directory).length >= MOST_FILES) empty(directory);
    writeFile(temporary, concatBytes([length, key, program]), 0o600, O_CREAT | O_EXCL);
    rename(temporary, file);
  } catch {
    // The next container compiles again. What was left half written is in nobody's way, and `empty` finds it.
  }
}

function empty(directory: string): void {
  for (const { name } of list(directory)) unlink(`${directory}/${name}`);
}
