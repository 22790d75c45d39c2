// What lies in CRIU's directories under names that it opens. It follows links there, so that a dump of root's would be written to what a
// link leads to, and waits at a FIFO for whoever is at its other end, with the container's lock held. Directories often come from
// elsewhere, unpacked. (Who changes them meanwhile may do as much as ever: they are to be where nobody else may write.)

import { list } from "../directories.ts";
import { ConfigError } from "../errors.ts";
import { exists, type FileStatus, linkStatusOf, statusOf } from "../file-status.ts";
import { realPath } from "../files.ts";

/** What CRIU calls its link to the images that were written before. */
export const PARENT = "parent";
/** What it has in the directory that it works in, too, while pages are sent later. */
const FINE: readonly FileStatus["kind"][] = ["file", "directory", "socket"];

/** The log and the like, in the directory that they are written to. @throws ConfigError for what is there and no file */
export function checkWritten(directory: string, names: readonly string[]): void {
  for (const name of names) check(`${directory}/${name}`, linkStatusOf(`${directory}/${name}`));
}

/** A directory that a dump is to be written to, be it empty or not. @throws ConfigError, FileError */
export function checkBeforeDump(images: string): void {
  for (const { name } of list(images))
    if (name !== PARENT) check(`${images}/${name}`, linkStatusOf(`${images}/${name}`));
}

/** One that is to be read, and those that it builds upon: links are followed. @throws ConfigError, FileError */
export function checkBeforeRestore(images: string): void {
  const seen = new Set<string>();
  for (let directory = images; exists(directory); directory = `${directory}/${PARENT}`) {
    directory = realPath(directory);
    if (seen.has(directory)) throw new ConfigError("--image-path", `${PARENT} leads from ${directory} to there again`);
    seen.add(directory);
    for (const { name } of list(directory)) check(`${directory}/${name}`, statusOf(`${directory}/${name}`));
  }
}

function check(path: string, status: FileStatus | undefined): void {
  if (status === undefined || FINE.includes(status.kind)) return;
  const kind = status.kind === "fifo" ? "FIFO" : status.kind;
  throw new ConfigError("--image-path", `${path} is a ${kind}, not a regular file`);
}
