// Which cgroup hierarchies this host has, where they are mounted, and which cgroup tsrun itself is in. cgroups(7).
//
//   v2      one hierarchy, mounted on /sys/fs/cgroup
//   v1      one hierarchy for each (set of) controller(s), mounted on /sys/fs/cgroup/<controllers>
//   hybrid  v1, and an additional v2 hierarchy on /sys/fs/cgroup/unified
//
// /proc/self/cgroup names every hierarchy and is a dozen lines. /proc/self/mountinfo is the only complete source for the
// mount points, but has thousands of lines where thousands of containers run; so it is read only when a hierarchy is not
// where everybody mounts it, or is mounted there from a subdirectory (inside a container).

import { fileSystemType, statusOf } from "../file-status.ts";
import { readText } from "../files.ts";
import { type MountInfo, parseMountinfo } from "../mountinfo.ts";
import { dirname } from "../paths.ts";

/** How the host mounts its cgroups. */
export type CgroupMode = "v1" | "hybrid" | "v2";

/** One mounted hierarchy. */
export interface Hierarchy {
  /** The second field of /proc/self/cgroup: "memory", "cpu,cpuacct", "name=systemd"; "" is cgroup v2. */
  readonly name: string;
  /** The directory that the hierarchy is mounted on. */
  readonly mount: string;
  /** tsrun's own cgroup, as a path below `mount`: "/" or "/user.slice/x". */
  readonly own: string;
}

/** All hierarchies that a container is placed in. */
export interface CgroupHost {
  readonly mode: CgroupMode;
  readonly hierarchies: readonly Hierarchy[];
}

/** What the host is asked; tests answer for hosts that they are not on. */
export interface Probe {
  /** The kind of file system at a directory; "none" when there is none. */
  filesystem(directory: string): "cgroup" | "cgroup2" | "other" | "none";
  /** Whether the directory is the root of its hierarchy, not a subdirectory that was mounted. */
  isHierarchyRoot(directory: string): boolean;
  /** The content of a file of /proc/self. */
  read(file: "cgroup" | "mountinfo"): string;
}

const ROOT = "/sys/fs/cgroup";
const UNIFIED = `${ROOT}/unified`;

/** Asks this host. Errors of reading /proc/self are thrown as they are. */
export function cgroupHost(probe: Probe = thisHost): CgroupHost {
  const own = parseProcCgroup(probe.read("cgroup"));
  if (probe.filesystem(ROOT) === "cgroup2") {
    return { mode: "v2", hierarchies: [{ name: "", mount: ROOT, own: visible(own.get("") ?? "/") }] };
  }
  const hierarchies = v1Hierarchies(own, probe);
  if (probe.filesystem(UNIFIED) !== "cgroup2") return { mode: "v1", hierarchies };
  hierarchies.push({ name: "", mount: UNIFIED, own: visible(own.get("") ?? "/") });
  return { mode: "hybrid", hierarchies };
}

function v1Hierarchies(own: ReadonlyMap<string, string>, probe: Probe): Hierarchy[] {
  let mounts: readonly MountInfo[] | undefined;
  const found: Hierarchy[] = [];
  for (const [name, path] of own) {
    if (name === "" || isForeign(name)) continue;
    const usual = `${ROOT}/${name.replace("name=", "")}`;
    if (probe.filesystem(usual) === "cgroup" && probe.isHierarchyRoot(usual)) {
      found.push({ name, mount: usual, own: visible(path) });
      continue;
    }
    mounts ??= parseMountinfo(probe.read("mountinfo")).filter(({ type }) => type === "cgroup");
    const mount = mounts.find((each) => sameHierarchy(each, name));
    if (mount !== undefined) found.push({ name, mount: mount.place, own: below(mount.root, path) });
  }
  return found;
}

/** Named hierarchies belong to whoever made them; only systemd's expects containers in it. */
function isForeign(name: string): boolean {
  return name.startsWith("name=") && name !== "name=systemd";
}

function sameHierarchy(mount: MountInfo, name: string): boolean {
  return name.split(",").every((controller) => mount.options.includes(controller));
}

/** In a container /proc/self/cgroup may show a path of the host, of which only the part below `root` is mounted. */
function below(root: string, path: string): string {
  if (root === "/") return visible(path);
  return path.startsWith(`${root}/`) ? path.slice(root.length) : "/";
}

/** A cgroup outside the cgroup namespace, or outside what is mounted, shows as "/../x": nothing there can be reached. */
function visible(path: string): string {
  return path === "/.." || path.startsWith("/../") ? "/" : path;
}

/** Hierarchy name → own path, from the text of /proc/PID/cgroup: lines `id:controllers:path`. The path may hold colons. */
export function parseProcCgroup(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split("\n")) {
    const name = line.indexOf(":") + 1;
    const path = line.indexOf(":", name) + 1;
    if (name > 0 && path > 0) paths.set(line.slice(name, path - 1), line.slice(path));
  }
  return paths;
}

// linux/magic.h
const CGROUP_SUPER_MAGIC = 0x27e0eb;
const CGROUP2_SUPER_MAGIC = 0x63677270;

const thisHost: Probe = {
  filesystem(directory) {
    const type = fileSystemType(directory);
    if (type === undefined) return "none";
    return type === CGROUP_SUPER_MAGIC ? "cgroup" : type === CGROUP2_SUPER_MAGIC ? "cgroup2" : "other";
  },
  // kernfs numbers the root of a file system 1, and bind mounts and cgroup namespaces of a subdirectory show that one's.
  isHierarchyRoot: (directory) => statusOf(directory)?.inode === 1,
  read: (file) => readText(`/proc/self/${file}`),
};

/** The parent of tsrun's own cgroup, where a v2 container without an absolute path goes. */
export function ownParent(hierarchy: Hierarchy): string {
  return dirname(hierarchy.own);
}
