// Making and opening what lies inside a root file system that an image's author, or a process of another container that
// shares a volume, may have laid traps in: every path is resolved by openat2(2) with RESOLVE_IN_ROOT, once, and is a
// descriptor from then on. Missing parents are made one component at a time, below a directory that is held open.

import { O_DIRECTORY, O_PATH } from "./abi/fcntl.ts";
import { S_IFREG } from "./abi/stat.ts";
import { close, mkdirat, openInRoot, syscall } from "./calls.ts";
import { SafetyViolation } from "./errors.ts";
import { namesIn } from "./paths.ts";
import type { Late, Plan, Result } from "./plan.ts";

/** A root file system and what this plan has made sure of in it already. */
export class InRoot {
  readonly root: Late;
  readonly #linkAt: (path: string) => string | undefined;
  /** What #linkAt said. */
  readonly #links = new Map<string, string | undefined>();
  readonly #made = new Set<string>();
  readonly #mounts = new Set<string>();

  /** `linkAt` reads the symbolic link at a path of the root, as it is now; undefined where there is none. */
  constructor(root: Late, linkAt: (path: string) => string | undefined) {
    this.root = root;
    this.#linkAt = linkAt;
  }

  /** Makes a directory and its parents (mode 0755) where they are missing. */
  makeDirectory(plan: Plan, path: string): void {
    const names = this.resolve(path);
    names.forEach((name, i) => {
      const made = names.slice(0, i + 1).join("/");
      if (this.#made.has(made)) return;
      this.#made.add(made);
      this.#below(plan, names.slice(0, i), (parent) => plan.tolerate("EEXIST", mkdirat(parent, name, 0o755)));
    });
  }

  /** Makes an empty regular file (mode 0644), and its parents, where nothing is: there, or where a link at the path leads. */
  makeFile(plan: Plan, path: string): void {
    this.inParent(plan, `/${this.resolve(path).join("/")}`, (parent, name) =>
      plan.tolerate("EEXIST", syscall("mknodat", parent, name, S_IFREG | 0o644, 0)),
    );
  }

  /** Makes the parents of a path and appends calls on (descriptor of the parent, last component). */
  inParent(plan: Plan, path: string, calls: (parent: Late, name: string) => void): void {
    const names = namesIn(path);
    const name = names.pop() ?? ".";
    this.makeDirectory(plan, names.join("/"));
    this.#below(plan, this.resolve(names.join("/")), (parent) => calls(parent, name));
  }

  /** Opens a path, O_PATH. */
  open(plan: Plan, path: string, flags = O_PATH, resolve = 0): Result {
    return plan.add(openInRoot(this.root, path === "/" ? "." : path, flags, resolve));
  }

  /** Forgets what was made below a path: something else is mounted there now. */
  mounted(path: string): void {
    // By its own name and, where links led to it, by that of the place that it is at.
    for (const names of [namesIn(path), this.resolve(path)].map((parts) => parts.join("/"))) {
      this.#mounts.add(names);
      for (const made of this.#made) if (made.startsWith(`${names}/`)) this.#made.delete(made);
    }
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

  /**
   * The components of a path with the links replaced that the image has in it, so that what they lead to can be made where
   * it is missing. It is a guess, which only decides what is made: the kernel resolves each path again, inside the root.
   * @throws SafetyViolation where links lead to more than a path can be: 40 of them could name 80,000 directories to make
   */
  resolve(path: string): string[] {
    const left = namesIn(path);
    const done: string[] = [];
    let at = "";
    for (let links = 0; left.length > 0; ) {
      if (this.#mounts.has(at)) return namesIn([...done, ...left].join("/")); // the image is covered from here on
      const name = left.shift() ?? "";
      if (name === "..") {
        done.pop();
        at = done.join("/");
        continue;
      }
      const next = at === "" ? name : `${at}/${name}`;
      const link = links < MOST_LINKS ? this.#link(next) : undefined;
      if (link === undefined) {
        done.push(name);
        at = next;
        continue;
      }
      links += 1;
      left.unshift(...link.split("/").filter((part) => part !== "" && part !== "."));
      if (link.startsWith("/")) {
        done.length = 0;
        at = "";
      }
      checkLength(path, [...done, ...left]);
    }
    return done;
  }

  #link(path: string): string | undefined {
    if (!this.#links.has(path)) this.#links.set(path, this.#linkAt(path));
    return this.#links.get(path);
  }
}

/** As the kernel's own limits, path_resolution(7). */
const MOST_LINKS = 40;
const PATH_MAX = 4096;

function checkLength(path: string, names: readonly string[]): void {
  if (names.join("/").length >= PATH_MAX)
    throw new SafetyViolation(path, `links in the image lead it to a path of more than ${PATH_MAX} bytes`);
}
