// Making and opening what lies inside a root file system that an image's author, or a process of another container that
// shares a volume, may have laid traps in: every path is resolved by openat2(2) with RESOLVE_IN_ROOT, once, and is a
// descriptor from then on. Missing parents are made one component at a time, below a directory that is held open.

import { posix } from "node:path";
import { O_DIRECTORY, O_PATH } from "./abi/fcntl.ts";
import { S_IFREG } from "./abi/stat.ts";
import { close, mkdirat, openInRoot, syscall } from "./calls.ts";
import type { Late, Plan, Result } from "./plan.ts";

/** A root file system and what this plan has made sure of in it already. */
export class InRoot {
  readonly root: Late;
  readonly #made = new Set<string>();

  constructor(root: Late) {
    this.root = root;
  }

  /** Makes a directory and its parents (mode 0755) where they are missing. */
  makeDirectory(plan: Plan, path: string): void {
    const names = componentsOf(path);
    names.forEach((name, i) => {
      const made = names.slice(0, i + 1).join("/");
      if (this.#made.has(made)) return;
      this.#made.add(made);
      this.#below(plan, names.slice(0, i), (parent) => plan.tolerate("EEXIST", mkdirat(parent, name, 0o755)));
    });
  }

  /** Makes an empty regular file (mode 0644), and its parents, where nothing is. */
  makeFile(plan: Plan, path: string): void {
    this.inParent(plan, path, (parent, name) =>
      plan.tolerate("EEXIST", syscall("mknodat", parent, name, S_IFREG | 0o644, 0)),
    );
  }

  /** Makes the parents of a path and appends calls on (descriptor of the parent, last component). */
  inParent(plan: Plan, path: string, calls: (parent: Late, name: string) => void): void {
    const names = componentsOf(path);
    const name = names.pop() ?? ".";
    this.makeDirectory(plan, names.join("/"));
    this.#below(plan, names, (parent) => calls(parent, name));
  }

  /** Opens a path, O_PATH. */
  open(plan: Plan, path: string, flags = O_PATH, resolve = 0): Result {
    return plan.add(openInRoot(this.root, path === "/" ? "." : path, flags, resolve));
  }

  /** Forgets what was made below a path: something else is mounted there now. */
  mounted(path: string): void {
    const below = `${componentsOf(path).join("/")}/`;
    for (const made of this.#made) if (made.startsWith(below)) this.#made.delete(made);
  }

  #below(plan: Plan, parents: readonly string[], calls: (parent: Late) => void): void {
    if (parents.length === 0) {
      calls(this.root);
      return;
    }
    const parent = plan.add(openInRoot(this.root, parents.join("/"), O_PATH | O_DIRECTORY));
    calls(parent);
    plan.add(close(parent));
  }
}

/** The components of a path, `.` and `..` resolved as if no component were a link. */
export function componentsOf(path: string): string[] {
  return posix.normalize(`/${path}`).split("/").filter(Boolean);
}
