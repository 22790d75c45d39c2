// A file that is in place whole or not at all, and nothing besides where its writer is killed: open(2), O_TMPFILE, makes it
// without a name, and linkat(2) gives it one once all is in it. File systems that cannot do that (NFS, older overlayfs) get it
// by rename(2) of one that has a name beside it, which a killed writer leaves for the next.

import { EEXIST } from "./abi/errno.ts";
import { AT_FDCWD, AT_SYMLINK_FOLLOW, O_CREAT, O_EXCL, O_TMPFILE, O_WRONLY } from "./abi/fcntl.ts";
import { linkStatusOf } from "./file-status.ts";
import { FileError, fileCall, OpenFile, rename, unlink, writeFile, writeTo } from "./files.ts";
import { basename, dirname } from "./paths.ts";

/**
 * Puts a file where `path` says, in place of a file that is there; a link is replaced, not followed. Anything else stays: root's
 * --pid-file=/dev/null is not to be the end of that. @throws FileError
 */
export function putFile(path: string, bytes: Uint8Array, mode: number): void {
  const { kind = "file" } = linkStatusOf(path) ?? {};
  if (kind !== "file" && kind !== "link") throw new FileError("linkat", EEXIST, path);
  const nameless = openNameless(dirname(path), mode);
  if (nameless === undefined) {
    putByRename(path, bytes, mode);
    return;
  }
  using file = nameless;
  writeTo(file.fd, path, bytes);
  try {
    link(file.fd, path);
  } catch (error) {
    if (!(error instanceof FileError && error.code === "EEXIST")) throw error;
    unlink(path);
    link(file.fd, path);
  }
}

/** Undefined where the file system has none. */
function openNameless(directory: string, mode: number): OpenFile | undefined {
  try {
    return new OpenFile(directory, O_WRONLY | O_TMPFILE, mode);
  } catch (error) {
    if (error instanceof FileError && (error.code === "EOPNOTSUPP" || error.code === "EISDIR")) return undefined;
    throw error;
  }
}

function link(fd: number, path: string): void {
  fileCall("linkat", path, AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/** The same where a file must have a name. */
export function putByRename(path: string, bytes: Uint8Array, mode: number): void {
  const temporary = `${dirname(path)}/.${basename(path)}`;
  unlink(temporary);
  try {
    writeFile(temporary, bytes, mode, O_CREAT | O_EXCL);
    rename(temporary, path);
  } catch (error) {
    unlink(temporary);
    throw error;
  }
}
