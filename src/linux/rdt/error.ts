// What resctrl refuses. Its errno is nearly always EINVAL; why, it says in a file.

import { ConfigError } from "../errors.ts";
import { FileError, readText } from "../files.ts";

/** Does something to a file or directory of the file system at `root`. @throws ConfigError with the kernel's reason */
export function told<T>(field: string, root: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new ConfigError(field, `${error.message}${reason(root)}`);
  }
}

/** info/last_cmd_status is of the last mkdir(2) or write(2) of anybody's, and "ok" where that succeeded. */
function reason(root: string): string {
  let status = "ok";
  try {
    status = readText(`${root}/info/last_cmd_status`).trim();
  } catch {
    // It is of Linux 4.16.
  }
  return status === "ok" || status === "" ? "" : `: ${status}`;
}
