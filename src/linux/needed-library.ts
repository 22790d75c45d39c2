// A shared library that only what a config or the command line asks for needs: loaded then, and named where it is missing.

import { ConfigError } from "./errors.ts";
import { library, type NativeFunction } from "./libc.ts";

/** What it is needed for. */
export interface Need {
  /** Of the config, or the flag, that asks for it. */
  readonly field: string;
  /** What it does, and Debian's package: "compiles filters (Debian: libseccomp2)". */
  readonly use: string;
}

/** As `library`. @throws ConfigError where it, or a function, is not there */
export function neededLibrary<Name extends string>(
  soname: string,
  functions: Readonly<Record<Name, number>>,
  { field, use }: Need,
): Readonly<Record<Name, NativeFunction>> {
  try {
    return library(soname, functions);
  } catch (cause) {
    throw new ConfigError(field, `cannot use ${soname}, which ${use}: ${(cause as Error).message}`);
  }
}
