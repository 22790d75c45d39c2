// The version of libseccomp, without loading it: ld.so(8) finds the library under its soname, and that is a link to the
// file that carries the whole version in its name. (--version and features are asked by every engine at its start.)

import { realPath } from "../files.ts";
import { SONAME } from "./libseccomp.ts";

/** Where the loader looks, distribution by distribution. */
const DIRECTORIES = [
  "/lib/x86_64-linux-gnu",
  "/lib/aarch64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/usr/lib",
  "/lib",
  "/usr/local/lib",
] as const;

/** As "2.5.4"; undefined when the library is not installed, "2" when its file's name does not tell more. */
export function libseccompVersion(directories: readonly string[] = DIRECTORIES): string | undefined {
  for (const directory of directories) {
    const file = fileOf(`${directory}/${SONAME}`);
    if (file !== undefined) return /\.so\.(\d+(?:\.\d+)*)$/.exec(file)?.[1] ?? "2";
  }
  return undefined;
}

function fileOf(path: string): string | undefined {
  try {
    return realPath(path);
  } catch {
    return undefined;
  }
}
