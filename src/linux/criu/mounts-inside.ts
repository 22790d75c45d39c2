// What is mounted where for a process, a running container's asked from outside: a path is resolved in its root, by openat2(2),
// and the number of the mount found there, statx(2), is looked up in its mountinfo. Nothing that the container has laid there
// as a trap is followed out of its root.

import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  openHow,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../abi/fcntl.ts";
import {
  STATX_ATTR_MOUNT_ROOT,
  STATX_ATTRIBUTES,
  STATX_MNT_ID,
  STATX_MNT_ID_OF_FILE,
  STATX_SIZE,
} from "../abi/stat.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { close, fileCall, open, readText } from "../files.ts";
import { syscall } from "../libc.ts";
import { type MountInfo, parseMountinfo } from "../mountinfo.ts";
import { dirname } from "../paths.ts";

/** The mounts of one process. */
export class MountsInside implements Disposable {
  readonly #root: number;
  readonly #mounts: ReadonlyMap<number, MountInfo>;

  constructor(pid: number) {
    this.#root = open(`/proc/${pid}/root`, O_PATH | O_DIRECTORY);
    const mounts = parseMountinfo(readText(`/proc/${pid}/mountinfo`));
    this.#mounts = new Map(mounts.map((mount) => [mount.id, mount]));
  }

  /** What is mounted on a path itself; undefined where nothing is, or there is no such path. */
  at(path: string): MountInfo | undefined {
    const how = openHow(O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    const fd = syscall(syscallNumber("openat2"), this.#root, path, how, how.length);
    if (fd < 0) return undefined;
    try {
      const statx = new Uint8Array(STATX_SIZE);
      fileCall("statx", path, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, statx);
      const view = new DataView(statx.buffer);
      if ((view.getUint32(STATX_ATTRIBUTES, true) & STATX_ATTR_MOUNT_ROOT) === 0) return undefined;
      return this.#mounts.get(view.getUint32(STATX_MNT_ID_OF_FILE, true));
    } finally {
      close(fd);
    }
  }

  /** Where the mount is that a path without links lies in. */
  placeOf(path: string): string {
    let place = path;
    while (place !== "/" && this.at(place) === undefined) place = dirname(place);
    return place;
  }

  /** Whether anything is mounted below a path without links. */
  hasBelow(path: string): boolean {
    const above = path === "/" ? path : `${path}/`;
    return [...this.#mounts.values()].some(({ place }) => place !== path && place.startsWith(above));
  }

  /** Whether a mount is one of them. */
  has(id: number): boolean {
    return this.#mounts.has(id);
  }

  [Symbol.dispose](): void {
    close(this.#root);
  }
}
