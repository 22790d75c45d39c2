// The root file system of a test's container: one static busybox, its applets as symbolic links, and the few files that
// runtimes read. A fresh one for each bundle (a few milliseconds), so that no test sees what another wrote.

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const CANDIDATES = ["/bin/busybox", "/usr/bin/busybox", "/usr/lib/busybox/busybox"];
const DIRECTORIES = "bin dev etc home/user proc root run sys tmp usr/bin var".split(" ");
const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n",
  "etc/group": "root:x:0:\ntty:x:5:\nuser:x:1000:\nmore:x:2000:user\n",
  "etc/hostname": "file\n",
};

let applets: readonly string[] | undefined;

/** Where the host's static busybox lies; throws when it is not installed. */
export function busyboxPath(): string {
  const found = CANDIDATES.find((path) => existsSync(path));
  if (found === undefined) throw new Error("busybox is not installed: apt-get install busybox-static");
  return found;
}

/** Makes a root file system in `directory`, which need not exist. */
export function makeRootfs(directory: string): void {
  for (const name of DIRECTORIES) mkdirSync(join(directory, name), { recursive: true });
  chmodSync(join(directory, "tmp"), 0o1777);
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text);
  const busybox = busyboxPath();
  copyFileSync(busybox, join(directory, "bin/busybox"));
  applets ??= execFileSync(busybox, ["--list"], { encoding: "utf8" }).trim().split("\n");
  for (const applet of applets) {
    if (applet !== "busybox") symlinkSync("busybox", join(directory, "bin", applet));
  }
}
