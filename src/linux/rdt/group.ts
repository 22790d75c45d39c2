// linux.intelRdt: how much of the processors' caches and of the way to memory a container may use, and what it does use. It is a
// file system, resctrl, in which a directory is a class of service (CLOS): `schemata` says what its processes may use, a pid
// written to `tasks` is in it, and so are the children that it has from then on. Documentation/filesystems/resctrl.rst;
// runtime-spec config-linux.md#intelrdt.
//
//    /sys/fs/resctrl                          closID "/": the class that everything is in at first
//    /sys/fs/resctrl/<closID or id>           a class of service
//    …/mon_groups/<id>                        within a class, what is counted apart: enableMonitoring
//
// A removed class gives its processes back to the root class: so what others may be in is never removed.

import type { IntelRdt } from "../../spec/config.gen.ts";
import { makeDirectory } from "../directories.ts";
import { ConfigError } from "../errors.ts";
import { exists } from "../file-status.ts";
import { FileError, readText, removeDirectory, writeExisting } from "../files.ts";
import { parseMountinfo } from "../mountinfo.ts";
import { sleep } from "../poll.ts";
import { told } from "./error.ts";
import { mismatch, type Schemata, schemataOf, undoing } from "./schemata.ts";

/** Where a container is: all that exec, update and delete need to know. */
export interface RdtRecord {
  /** Where resctrl is mounted. */
  readonly root: string;
  /** The directory of its class. */
  readonly group: string;
  /** Whether that is nobody else's and goes with the container: the config has no closID. */
  readonly own: boolean;
  /** The directory of its monitoring group. */
  readonly monitors?: string;
}

const FIELD = "linux.intelRdt";
const CLOS = `${FIELD}.closID`;

/** Milliseconds in which another create may be writing to the class that it has just made: others may have the machine meanwhile. */
const PATIENCE = 5000;

/** Where a container is to be. Nothing is made. @throws ConfigError for what cannot be had */
export function rdtRecord({ closID, enableMonitoring }: IntelRdt, id: string): RdtRecord {
  const root = parseResctrl(readText("/proc/self/mountinfo"));
  if (root === undefined) throw new ConfigError(FIELD, "no resctrl file system is mounted");
  const group = closID === "/" ? root : `${root}/${closID || id}`;
  const own = !closID;
  if (own && exists(group)) throw taken(group);
  return { root, group, own, ...(enableMonitoring === true && { monitors: `${group}/mon_groups/${id}` }) };
}

function taken(group: string): ConfigError {
  return new ConfigError(FIELD, `${group} is there already, and not the container's: to be in it takes a closID`);
}

/** Where resctrl is mounted, by the text of a mountinfo file. */
export function parseResctrl(mountinfo: string): string | undefined {
  return parseMountinfo(mountinfo).find(({ root, type }) => root === "/" && type === "resctrl")?.place;
}

/**
 * Makes what the container is to be in, or checks what is there; disposing of the result unmakes it.
 * @throws ConfigError with nothing left behind
 */
export function makeRdt(record: RdtRecord, config: IntelRdt): DisposableStack {
  using undo = new DisposableStack();
  const schemata = schemataOf(config);
  if (record.own || (schemata.length > 0 && !isGroup(record.group))) makeGroup(undo, record, schemata);
  else if (isGroup(record.group)) checkGroup(record, schemata, 0);
  else throw new ConfigError(CLOS, `there is no ${record.group}, and nothing is said of what it would be`);
  const { root, monitors } = record;
  if (monitors !== undefined) {
    told(`${FIELD}.enableMonitoring`, root, () => makeDirectory(monitors));
    undo.defer(() => removeDirectory(monitors));
  }
  return undo.move();
}

/** Of what else has a name in the root (info, mon_data, mon_groups) none has this file. */
function isGroup(directory: string): boolean {
  return exists(`${directory}/tasks`);
}

function makeGroup(undo: DisposableStack, record: RdtRecord, schemata: readonly Schemata[]): void {
  const { root, group, own } = record;
  if (!told(own ? FIELD : CLOS, root, () => made(group))) {
    if (own) throw taken(group);
    checkGroup(record, schemata, PATIENCE);
    return;
  }
  undo.defer(() => {
    if (own || !inUse(group)) removeDirectory(group);
  });
  for (const { field, lines } of schemata) told(field, root, () => writeLines(group, lines));
}

/** Returns false where somebody else was quicker. */
function made(group: string): boolean {
  try {
    makeDirectory(group);
    return true;
  } catch (error) {
    if (error instanceof FileError && error.code === "EEXIST") return false;
    throw error;
  }
}

/** By a closID anybody may be in it by now, and would be free of its limits. */
function inUse(group: string): boolean {
  return readText(`${group}/tasks`).trim() !== "";
}

/** config-linux.md: what a class that is there allows MUST be what the config asks for. */
function checkGroup({ group }: RdtRecord, schemata: readonly Schemata[], patience: number): void {
  if (!isGroup(group)) throw new ConfigError(CLOS, `${group} is no class of service`);
  for (const { field, lines } of schemata) {
    let wrong = mismatch(lines, readText(`${group}/schemata`));
    for (let waited = 0; wrong !== undefined && waited < patience; waited += 10) {
      sleep(10);
      wrong = mismatch(lines, readText(`${group}/schemata`));
    }
    if (wrong !== undefined) throw new ConfigError(field, `${group} is there already, and has not ${wrong}`);
  }
}

/** One write: the kernel takes all of it or nothing. */
function writeLines(group: string, lines: readonly string[]): void {
  writeExisting(`${group}/schemata`, `${lines.join("\n")}\n`);
}

/** Puts a process, and the children that it will have, where the container is. */
export function joinRdt({ root, group, monitors }: RdtRecord, pid: number): void {
  // Into the class first: a monitoring group takes those of its own class only.
  for (const directory of monitors === undefined ? [group] : [group, monitors])
    told(FIELD, root, () => writeExisting(`${directory}/tasks`, String(pid)));
}

/** Changes what the class of a container may use. The result changes it back. @throws ConfigError with nothing changed */
export function updateRdt({ root, group }: RdtRecord, change: IntelRdt): () => void {
  const [wanted] = schemataOf(change);
  if (wanted === undefined) return () => {};
  const before = told(wanted.field, root, () => readText(`${group}/schemata`));
  told(wanted.field, root, () => writeLines(group, wanted.lines));
  return () => writeLines(group, undoing(wanted.lines, before));
}

/** Removes what is the container's own. What is gone already is no error. */
export function removeRdt({ root, group, own, monitors }: RdtRecord): void {
  for (const directory of [monitors, own ? group : undefined])
    if (directory !== undefined) told(FIELD, root, () => removeDirectory(directory));
}
