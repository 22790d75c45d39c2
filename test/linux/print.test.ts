import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CLONE_NEWPID, cloneArgs } from "../../src/linux/abi/sched.ts";
import { close, fsmount, fsopen, mountSetattr, openat, openInRoot, syscall } from "../../src/linux/calls.ts";
import { AgentSocket, Out, OutWord, Plan, Result, Strings, Struct } from "../../src/linux/plan.ts";
import { printCall, printPlan } from "../../src/linux/print.ts";
import { printed } from "./sample.ts";

describe("A call", () => {
  it.each([
    ["openat", openat(-100, "a b", 0), 'openat(AT_FDCWD, "a b", O_RDONLY|O_CLOEXEC)'],
    ["openat with a mode", openat(3, "f", 0o101, 0o600), 'openat(3, "f", O_WRONLY|O_CREAT|O_CLOEXEC, 0600)'],
    [
      "openat2",
      openInRoot(3, "x"),
      'openat2(3, "x", {flags=O_PATH|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT})',
    ],
    ["fsmount", fsmount(3, 0x21), "fsmount(3, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY|MOUNT_ATTR_STRICTATIME)"],
    [
      "mount_setattr",
      mountSetattr(3, { set: 1, clear: 0x70, propagation: 1 << 19 }, 0x8000),
      'mount_setattr(3, "", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set=MOUNT_ATTR_RDONLY, attr_clr=MOUNT_ATTR__ATIME, propagation=MS_SLAVE})',
    ],
    [
      "clone3",
      syscall("clone3", cloneArgs({ flags: CLONE_NEWPID, exitSignal: 17 }), 88),
      "clone3({flags=CLONE_NEWPID, exit_signal=SIGCHLD})",
    ],
    ["flags that have no name", syscall("umount2", "/a", 0x82), 'umount2("/a", MNT_DETACH|0x80)'],
    ["a negative number", syscall("kill", -1, 9), "kill(-1, 9)"],
    ["an exact number", syscall("lseek", 1, 18446744073709551615n), "lseek(1, 18446744073709551615)"],
    ["text that must be quoted", syscall("chdir", 'a"\n\u0000'), 'chdir("a\\"\\n\\u0000")'],
    ["an ioctl that nobody knows", syscall("ioctl", 1, 77, 5), "ioctl(1, 77, 5)"],
    ["bytes that nobody knows", syscall("bpf", 5, new Uint8Array(3)), "bpf(5, {3 bytes})"],
    ["a struct with pointers", syscall("sendmsg", 1, new Struct(new Uint8Array(8), []), 0), "sendmsg(1, {8 bytes}, 0)"],
    ["the agent's socket", syscall("close", new AgentSocket()), "close(agent)"],
    [
      "argv",
      syscall("execve", "/x", new Strings(["x", new Uint8Array([0x79])]), new Strings([])),
      'execve("/x", ["x", "y"], [])',
    ],
    ["a result", close(new Result(7)), "close(#7)"],
  ])("%s", (_, call, text) => {
    expect(printCall(call)).toBe(text);
  });

  it("prints memory by name, and a word of it", () => {
    const out = new Out(16);
    expect(printCall(syscall("fchmod", out, new OutWord(out, 4)))).toBe("fchmod(out1[16], out1+4)");
  });
});

describe("A plan", () => {
  it("shows results by descriptor, what is tolerated, what is skipped, pauses and fields", () => {
    const plan = new Plan();
    plan.pause("before all", () => {});
    const fs = plan.at("mounts[0] (/proc)").add(fsopen("proc"));
    plan.add(close(fs));
    plan.at("linux.maskedPaths[0] (/x)").unless("ENOENT", openat(-100, "/x", 0), (file) => {
      plan.orElse("EEXIST", syscall("getpid"), () => plan.probe(syscall("getppid")));
      plan.branch(
        "ENOTDIR",
        syscall("getpid"),
        () => plan.add(close(file)),
        () => plan.tolerate("EBADF", close(file)),
      );
    });
    plan.pause("in between", () => {});
    plan.at("").addSocket(syscall("fcntl", 3, 1030, 0));
    plan.pause("after all", () => {});
    expect(printed(plan)).toEqual([
      "-- tsrun: before all",
      'fsopen("proc", FSOPEN_CLOEXEC) = #1                                                             mounts[0] (/proc)',
      "close(#1)                                                                                       mounts[0] (/proc)",
      'openat(AT_FDCWD, "/x", O_RDONLY|O_CLOEXEC) = #1  ENOENT → skip 5                                linux.maskedPaths[0] (/x)',
      "  getpid()  EEXIST → go on, else skip 1                                                         linux.maskedPaths[0] (/x)",
      "    getppid()  any errno → go on                                                                linux.maskedPaths[0] (/x)",
      "  getpid()  ENOTDIR → skip 1                                                                    linux.maskedPaths[0] (/x)",
      "    close(#1)  → skip 1                                                                         linux.maskedPaths[0] (/x)",
      "    close(#1)  EBADF → go on                                                                    linux.maskedPaths[0] (/x)",
      "-- tsrun: in between",
      "fcntl(3, F_DUPFD_CLOEXEC, 0) = agent",
      "-- tsrun: after all",
    ]);
  });

  it("with a call more in the middle has a line more and no other change", () => {
    const text = (more: boolean): string[] => {
      const plan = new Plan();
      const root = plan.add(openat(-100, "/", 0));
      if (more) plan.add(close(plan.add(openat(root, "a", 0))));
      const last = plan.add(openat(root, "b", 0));
      plan.add(syscall("fchdir", last));
      return printed(plan);
    };
    expect(text(true).toSpliced(1, 2)).toEqual(text(false));
  });

  it("that is empty is no text", () => {
    expect(printPlan(new Plan())).toBe("");
  });
});

it("nothing loads the printing but who prints", () => {
  const src = new URL("../../src", import.meta.url).pathname;
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(100);
  const loading = files.filter((file) =>
    /^import (?!type).*"\.{1,2}\/.*print(-calls)?\.ts"/m.test(readFileSync(join(src, file), "utf8")),
  );
  expect(loading).toEqual(["linux/print.ts"]);
});
