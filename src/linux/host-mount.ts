// The root file system of a container without a mount namespace: it is bound onto itself on the host, filled there, and must
// go with the container. Whether the mount that is seen at a path is that one tells its number, statx(2) (STATX_MNT_ID).

import { AT_FDCWD } from "./abi/fcntl.ts";
import { MNT_DETACH } from "./abi/mount.ts";
import { STATX_MNT_ID, STATX_MNT_ID_OF_FILE, STATX_SIZE } from "./abi/stat.ts";
import { fileCall } from "./files.ts";

/** The number of the mount that a path is on. @throws FileError */
export function mountAt(path: string): number {
  const bytes = new Uint8Array(STATX_SIZE);
  fileCall("statx", path, AT_FDCWD, path, 0, STATX_MNT_ID, bytes);
  return new DataView(bytes.buffer).getUint32(STATX_MNT_ID_OF_FILE, true);
}

/** Takes what is mounted at a path off, with all below it, unless that is the mount that was there before. @throws FileError */
export function unmountAbove(path: string, before: number): void {
  if (mountAt(path) !== before) fileCall("umount2", path, path, MNT_DETACH);
}
