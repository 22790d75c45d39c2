// What this room throws. Everything here is a file, so an error is: which field of the config asked for it, which
// operation, which file, what was written, and the kernel's answer. FileErrors carry the answer as `code`.
// Permission errors stay recognisable (`code`), because rootless callers may ignore them: cgroups(7), "Delegation".

import { type ErrnoName, errnoNumber, errnoText } from "../abi/errno.ts";

/** The kernel refused an operation on a cgroup file, or a setting cannot be made here at all (then without `code`). */
export class CgroupError extends Error {
  override readonly name = "CgroupError";
  /** The kernel's answer by name, such as "EBUSY"; undefined when the refusal is ours. */
  readonly code: string | undefined;
  constructor(message: string, code?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The errno name of a failed call on a file; anything else that was thrown is thrown again. */
export function errnoOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (error instanceof Error && typeof code === "string") return code;
  throw error;
}

/** `operation`, as it would be typed, failed: adds the kernel's answer to it. */
export function failed(operation: string, code: string): CgroupError {
  return new CgroupError(`${operation}: ${code} (${errnoText(errnoNumber(code as ErrnoName))})`, code);
}

/** Whether a rootless runtime lives without what was refused: it may not own the cgroup, or see it read-only. */
export function isPermission(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "EACCES" || code === "EPERM" || code === "EROFS";
}
