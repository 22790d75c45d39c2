// tsrun --version. Docker takes the text after the last "version" of any line that has that word, and the line that
// starts with "commit:"; so only the first line has it.

import { readText, realPath } from "../linux/files.ts";
import { resolveFrom } from "../linux/paths.ts";
import { libseccompVersion } from "../linux/seccomp/library-version.ts";
import { SPEC_VERSION } from "../spec/version.ts";
import type { ExitStatus } from "./command.ts";
import { print } from "./output.ts";

declare const TSRUN_VERSION: string | undefined;
declare const TSRUN_COMMIT: string | undefined;

/** The version of tsrun. The build puts it in; a run from source reads package.json. */
export function version(): string {
  return typeof TSRUN_VERSION === "string" ? TSRUN_VERSION : sourceVersion();
}

/** The commit that was built. "unknown" when run from source. */
export function commit(): string {
  return typeof TSRUN_COMMIT === "string" ? TSRUN_COMMIT : "unknown";
}

/** What --version prints. */
function versionText(libseccomp: string): string {
  return `tsrun version ${version()}\ncommit: ${commit()}\nspec: ${SPEC_VERSION}\nlibseccomp: ${libseccomp}\n`;
}

/** Prints it. */
export function printVersion(): ExitStatus {
  print(versionText(libseccompVersion() ?? "not installed"));
  return 0;
}

/** From source only: argv[1] is bin/tsrun.ts then. (import.meta would tell it too, but not to a build in CommonJS.) */
function sourceVersion(): string {
  const program = realPath(process.argv[1] ?? "");
  const text = readText(resolveFrom(program, "../../package.json"));
  return (JSON.parse(text) as { version: string }).version;
}
