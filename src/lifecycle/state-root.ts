// Whose the directory of all containers is. What lies there is believed: which process `kill` ends, what `delete` removes, which
// hooks it runs. And what `create` writes there it writes by path. So nobody but root and the caller may be able to put something
// else in the place of it: neither it nor a directory or link on the way to it may be another user's, and where others may make
// directories in it they must not be able to rename ours (a sticky directory, as /tmp), and a container's must be the caller's own.
//
// Directories on the way may be writable to all, without the sticky bit, as Kubernetes makes its volumes.

import { makeDirectories } from "../linux/directories.ts";
import { SafetyViolation } from "../linux/errors.ts";
import { type FileStatus, linkStatusOf, statusOf } from "../linux/file-status.ts";
import { chmod } from "../linux/files.ts";
import { inUserNamespace } from "../linux/user-namespace.ts";
import { isTrusted } from "./users.ts";

const FIELD = "state root";
const [STICKY, GROUP_WRITES, OTHERS_WRITE] = [0o1000, 0o020, 0o002];
/** What a user namespace shows of the users who have no place in it, those outside: root, too. */
const OVERFLOW_UID = 65_534;

/** missing: it, or a directory above it. shared: others may make directories in it. */
export type RootKind = "missing" | "own" | "shared";

/** @throws SafetyViolation where somebody else could put another in its place */
export function checkStateRoot(root: string): RootKind {
  for (let end = root.indexOf("/", 1); end > 0; end = root.indexOf("/", end + 1)) {
    const path = root.slice(0, end);
    if (statusOfOurs(path, isTrustedAbove) === undefined) return "missing";
  }
  const status = statusOfOurs(root, isTrusted);
  return status === undefined ? "missing" : openness(root, status);
}

/**
 * Makes the directory where it is missing. In a user's run-time directory it is sticky, lest a clean-up takes it for litter.
 * @throws SafetyViolation as checkStateRoot does
 */
export function makeStateRoot(root: string): void {
  if (checkStateRoot(root) !== "missing") return;
  const made = makeDirectories(root, 0o700);
  const own = process.env.XDG_RUNTIME_DIR;
  if (made && own && root.startsWith(`${own}/`)) chmod(root, 0o1700);
  checkStateRoot(root); // whoever may have been quicker
}

/** Whether the directory of a container in a root that is shared is the caller's; not where there is none. @throws SafetyViolation */
export function checkOwn(directory: string): void {
  const status = linkStatusOf(directory);
  if (status === undefined) return;
  if (status.uid !== process.geteuid?.()) throw foreign(directory, status);
  if (status.kind !== "directory") throw new SafetyViolation(FIELD, `${directory} is no directory`);
}

/** What a path leads to, if anything. Whose link it is counts as well as whose directory. @throws SafetyViolation */
function statusOfOurs(path: string, isOurs: (uid: number) => boolean): FileStatus | undefined {
  const status = linkStatusOf(path);
  if (status === undefined) return undefined;
  if (!isTrustedAbove(status.uid)) throw foreign(path, status);
  const target = status.kind === "link" ? statusOf(path) : status;
  if (target !== undefined && !isOurs(target.uid)) throw foreign(path, target);
  return target;
}

/** sudo(8) in the user's own directory: he is who asks. */
function isTrustedAbove(uid: number): boolean {
  return isTrusted(uid) || (uid === OVERFLOW_UID && inUserNamespace()) || String(uid) === process.env.SUDO_UID;
}

/** The caller's own group may write: where each user has one to himself files are made so. */
function openness(root: string, { mode, gid }: FileStatus): RootKind {
  const others = (mode & OTHERS_WRITE) !== 0 || ((mode & GROUP_WRITES) !== 0 && gid !== process.getegid?.());
  if (!others) return "own";
  if ((mode & STICKY) !== 0) return "shared";
  throw new SafetyViolation(FIELD, `${root}: others may rename what is in it: chmod go-w, or +t`);
}

function foreign(path: string, { uid }: FileStatus): SafetyViolation {
  return new SafetyViolation(FIELD, `${path} belongs to user ${uid}, who could have put anything there`);
}
