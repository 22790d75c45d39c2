// Container ids. The id is the name of a directory under --root, and the caller's user may have chosen it: it must not be
// a way to another place. The characters are those that runc and crun take.

import { UsageError } from "./usage-error.ts";

/** The longest id: the name of a file may have 255 bytes, and that of a container's directory gets one more to go. */
const LONGEST = 254;

/** Returns the id if it is one; throws UsageError in the words that callers know from runc. */
export function validId(id: string): string {
  if (id === "") throw new UsageError("container id cannot be empty");
  if (id.length > LONGEST || !/^[\w+.-]+$/.test(id) || id === "." || id === "..")
    throw new UsageError("invalid container ID format");
  return id;
}
