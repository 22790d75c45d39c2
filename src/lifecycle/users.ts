// The host's users, and whether tsrun is run by one without rights of root's: /etc/passwd, passwd(5).

import { readText } from "../linux/files.ts";

/** By their ids. A host without users still has containers. */
export function userNames(): ReadonlyMap<number, string> {
  let text = "";
  try {
    text = readText("/etc/passwd");
  } catch {
    // none
  }
  const entries = text.split("\n").map((line) => line.split(":"));
  // Where an id has two names the first is the name of the id: it is put last to win.
  return new Map(entries.map(([name = "", , uid]): [number, string] => [Number(uid ?? NaN), name]).reverse());
}

/** Whether the caller is not root, be it of the machine or of a user namespace (podman unshare). */
export function isOrdinaryUser(): boolean {
  return process.geteuid?.() !== 0;
}

/** Whether what is a user's can be believed: root could do anything to us, and the caller is who asks. */
export function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.();
}
