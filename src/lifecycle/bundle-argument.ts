// By hand, a container is most easily named by its bundle: `tsrun run ./web` instead of `tsrun run --bundle ./web web`,
// and then `tsrun delete ./web`. An engine never does so, and an id never has a slash, so the rule is:
//
//   an argument that has a slash, where --bundle was not given, and that is the path of a directory with a config.json
//   in it, is that bundle, and the id of the container is the directory's name.
//
// Everything else is an id. An id with a slash is refused where ids are checked: see container-id.ts.

import { exists } from "../linux/file-status.ts";
import { absolute, basename } from "../linux/paths.ts";

/** A container by id, and where its bundle is if the caller said so by its path. */
export interface Named {
  readonly id: string;
  /** Absolute. */
  readonly bundle?: string;
}

/** Applies the rule to the argument that names a container. */
export function nameOf(argument: string, bundleGiven: boolean): Named {
  if (bundleGiven || !argument.includes("/") || !exists(`${argument}/config.json`)) return { id: argument };
  const bundle = absolute(argument);
  return { id: basename(bundle), bundle };
}
