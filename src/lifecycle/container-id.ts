// Container ids. The id is the name of a directory under --root, and the caller's user may have chosen it: it must not be
// a way to another place. The characters are those that runc and crun take.

import { UsageError } from "./usage-error.ts";

/** The longest id, in characters. (The file system's own limit for a name, 255 bytes, may come first.) */
const LONGEST = 1024;

/** Returns the id if it is one; throws UsageError in the words that callers know from runc. */
export function validId(id: string): string {
  if (id === "") throw new UsageError("container id cannot be empty");
  if (id.length > LONGEST || !/^[\w+.-]+$/.test(id) || id === "." || id === "..")
    throw new UsageError("invalid container ID format");
  return id;
}
