import { describe, expect, it } from "vitest";
import { O_RDWR, RESOLVE_NO_SYMLINKS } from "../../src/linux/abi/fcntl.ts";
import { InRoot } from "../../src/linux/in-root.ts";
import { namesIn } from "../../src/linux/paths.ts";
import { Plan } from "../../src/linux/plan.ts";
import { calls } from "./sample.ts";

/** A root on descriptor 9 of an image with these symbolic links. */
function image(links: Readonly<Record<string, string>> = {}) {
  const plan = new Plan();
  return { plan, root: new InRoot(9, (path) => links[path]) };
}

/** The names that a plan makes, with the place that they are made in. */
function made(plan: Plan): string[] {
  const places = new Map<number, string>();
  return plan.steps.flatMap(({ call }, i) => {
    const [dir, name] = call.args;
    if (call.name === "openat2") places.set(i, String(name));
    if (call.name !== "mkdirat" && call.name !== "mknodat") return [];
    const parent = typeof dir === "object" && "index" in dir ? (places.get(dir.index) ?? "?") : "";
    return [`${parent}/${name}`];
  });
}

describe("namesIn", () => {
  it.each([
    ["/", []],
    ["", []],
    [".", []],
    ["/a/b", ["a", "b"]],
    ["a//b/", ["a", "b"]],
    ["/a/./b/../c", ["a", "c"]],
    ["/../../etc", ["etc"]],
    ["../../etc", ["etc"]],
    ["/a/...", ["a", "..."]],
  ])("%j", (path, components) => {
    expect(namesIn(path)).toEqual(components);
  });
});

describe("A directory", () => {
  it("is made with its parents, one at a time, each below one that is held open and closed", () => {
    const { plan, root } = image();
    root.makeDirectory(plan, "/a/b/c");
    expect(calls(plan)).toEqual([
      'mkdirat(9, "a", 0755)',
      'openat2(9, "a", {flags=O_PATH|O_DIRECTORY|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT})',
      'mkdirat(#1, "b", 0755)',
      "close(#1)",
      'openat2(9, "a/b", {flags=O_PATH|O_DIRECTORY|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT})',
      'mkdirat(#1, "c", 0755)',
      "close(#1)",
    ]);
  });

  it("that was made already is not made again", () => {
    const { plan, root } = image();
    root.makeDirectory(plan, "/a/b");
    root.makeDirectory(plan, "a/b/../b");
    root.makeDirectory(plan, "/a/c");
    expect(made(plan)).toEqual(["/a", "a/b", "a/c"]);
  });

  it("is made where the image's links lead, inside the root", () => {
    const up = image({ run: "../../../var/run" });
    up.root.makeDirectory(up.plan, "/run/x");
    expect(made(up.plan)).toEqual(["/var", "var/run", "var/run/x"]);
    const absolute = image({ "a/b": "/etc/c" });
    absolute.root.makeDirectory(absolute.plan, "/a/b/d");
    expect(made(absolute.plan)).toEqual(["/etc", "etc/c", "etc/c/d"]);
  });

  it("behind a loop of links ends in what the kernel refuses, not in a loop here", () => {
    const { plan, root } = image({ a: "b", b: "a" });
    root.makeDirectory(plan, "/a/x");
    expect(made(plan)).toHaveLength(2);
  });

  it("below a mount does not depend on the links that the mount covers", () => {
    const { plan, root } = image({ "dev/shm": "/run/shm" });
    root.makeDirectory(plan, "/dev");
    root.mounted("/dev");
    root.makeDirectory(plan, "/dev/shm");
    expect(made(plan)).toEqual(["/dev", "dev/shm"]);
  });

  it("below a mount that a link leads to is made anew", () => {
    const { plan, root } = image({ "var/run": "/run" });
    root.makeDirectory(plan, "/run/lock");
    root.mounted("/var/run");
    root.makeDirectory(plan, "/run/lock");
    expect(made(plan)).toEqual(["/run", "run/lock", "run/lock"]);
  });
});

it("a file is made with its parents, and nothing happens where something is", () => {
  const { plan, root } = image();
  root.makeFile(plan, "/etc/hosts");
  expect(made(plan)).toEqual(["/etc", "etc/hosts"]);
  expect(plan.steps.filter(({ call }) => call.name === "mknodat").map(({ tolerance }) => tolerance?.errno)).toEqual([
    "EEXIST",
  ]);
});

it("opening never leaves the root, whatever else is asked for", () => {
  const { plan, root } = image();
  root.open(plan, "/");
  root.open(plan, "/dev/pts/ptmx", O_RDWR, RESOLVE_NO_SYMLINKS);
  expect(calls(plan)).toEqual([
    'openat2(9, ".", {flags=O_PATH|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT})',
    'openat2(9, "/dev/pts/ptmx", {flags=O_RDWR|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_NO_SYMLINKS|RESOLVE_IN_ROOT})',
  ]);
});

it("a file is made where a link at its path leads, which may be nowhere yet", () => {
  const { plan, root } = image({ "etc/resolv.conf": "../run/systemd/stub" });
  root.makeFile(plan, "/etc/resolv.conf");
  expect(made(plan)).toEqual(["/run", "run/systemd", "run/systemd/stub"]);
});
