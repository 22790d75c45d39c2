// The standard streams of a container's process. What they lead to is outside of it: in a dump each is given a name, which
// the file descriptors.json of the images keeps, and in a restore those of tsrun's take their places by these names.
//
//    pipe:[INODE]          a pipe
//    file[MOUNT:INODE]     a file that no mount of the container shows, as a shell's redirection gives it; in hexadecimal
//    tty[DEVICE:FS]        a terminal of that kind: what tsrun was called on
//
// Of anything else the file has the path, as runc writes it: the container's own terminal has its own way, and what is inside CRIU
// finds there.

import { ConfigError } from "../errors.ts";
import { type FileStatus, statusOf } from "../file-status.ts";
import { linkTarget, readText } from "../files.ts";
import type { CriuOptions } from "./messages.ts";
import type { MountsInside } from "./mounts-inside.ts";

/** The file's name in the directory of the images. */
export const DESCRIPTORS_FILE = "descriptors.json";
const FILE = "file[";
const TTY = "tty[";

/** The names of a process's streams 0, 1, 2. */
export function streamNames(pid: number, inside: Pick<MountsInside, "has">): string[] {
  return [0, 1, 2].map((fd) => {
    const path = `/proc/${pid}/fd/${fd}`;
    return outsideName(pid, fd, inside) ?? linkTarget(path) ?? "";
  });
}

function outsideName(pid: number, fd: number, inside: Pick<MountsInside, "has">): string | undefined {
  const status = statusOf(`/proc/${pid}/fd/${fd}`);
  const isFile = status?.kind === "file";
  if (status === undefined || !(isFile || isTerminal(status))) return undefined;
  const [, mount] = /^mnt_id:\s*(\d+)$/m.exec(readText(`/proc/${pid}/fdinfo/${fd}`)) ?? [];
  if (mount === undefined || inside.has(Number(mount))) return undefined;
  return isFile ? nameOf(FILE, Number(mount), status.inode) : nameOf(TTY, status.device, status.fileSystem);
}

function nameOf(kind: string, ...[first, second]: [number, number]): string {
  return `${kind}${first.toString(16)}:${second.toString(16)}]`;
}

/** Documentation/admin-guide/devices.txt of Linux: consoles and serial lines, and the slaves of pseudo-terminals. */
function isTerminal({ kind, device }: FileStatus): boolean {
  const major = (device >> 8) & 0xfff;
  return kind === "character device" && (major === 4 || (major >= 136 && major <= 143));
}

/** Of these, the ones that a dump must be told of. */
export function externalFiles(names: readonly string[]): string[] {
  return [...new Set(names)].filter(isOutside);
}

/** What tsrun's own streams stand for in a restore. */
export function inheritedStreams(names: readonly string[]): NonNullable<CriuOptions["inherit_fd"]> {
  return names.flatMap((key, fd) => (key.startsWith("pipe:[") || isOutside(key) ? [{ key, fd }] : []));
}

function isOutside(name: string): boolean {
  return name.startsWith(FILE) || name.startsWith(TTY);
}

/**
 * The text of the file as names. Those of more than three streams would give the container descriptors of CRIU's own, of
 * directories of the host's among them. @throws ConfigError where it is something else
 */
export function parseDescriptors(text: string): string[] {
  const names = parseJson(text);
  if (!Array.isArray(names) || names.length > 3 || !names.every((name) => typeof name === "string"))
    throw new ConfigError("--image-path", `${DESCRIPTORS_FILE} is no list of three strings`);
  return names;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
