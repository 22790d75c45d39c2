// Hooks in the runtime's namespaces, as real processes: what they are given, how they end, what is left of them.

import { chmodSync, closeSync, openSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { execa } from "execa";
import { describe, expect, onTestFinished, test } from "vitest";
import { HookError, type HookState, runHooks } from "../../src/lifecycle/hooks.ts";
import { call } from "../../src/linux/local.ts";
import type { Hook } from "../../src/spec/config.gen.ts";
import { processesOf } from "../root/harness/leftovers.ts";
import { node, repository, temporary } from "./harness.ts";

const STATE: HookState = {
  ociVersion: "1.3.0",
  id: "box",
  status: "creating",
  pid: 4711,
  bundle: "/bundles/box",
  annotations: { "a/b": "c/d" },
};

/** A hook that runs a shell script. */
function sh(script: string, more: Partial<Hook> = {}): Hook {
  return { path: "/bin/busybox", args: ["busybox", "sh", "-c", script], env: ["PATH=/bin:/usr/bin"], ...more };
}

/** Runs one hook; the message of its failure, "" when it went well. */
function run(hook: Hook, state = STATE): string {
  try {
    runHooks("createRuntime", [hook], state);
    return "";
  } catch (error) {
    expect(error).toBeInstanceOf(HookError);
    return (error as HookError).message;
  }
}

/** What a script prints. */
function output(script: string, more: Partial<Hook> = {}): string {
  const file = `${temporary()}/output`;
  expect(run(sh(`{ ${script}\n} >${file}`, more))).toBe("");
  return readFileSync(file, "utf8");
}

/** A state of about a megabyte, which no pipe holds. */
const LARGE: HookState = { ...STATE, annotations: { large: "x".repeat(1 << 20) } };

describe("a hook is given", () => {
  test("the state on stdin, to its last byte: one line, nothing escaped that need not be", () => {
    expect(output("cat")).toBe(
      '{"ociVersion":"1.3.0","id":"box","status":"creating","pid":4711,"bundle":"/bundles/box","annotations":{"a/b":"c/d"}}',
    );
  });

  test("a state without a pid once there is no process", () => {
    const { pid: _, ...rest } = STATE;
    const file = `${temporary()}/state`;
    expect(run(sh(`cat >${file}`), { ...rest, status: "stopped" })).toBe("");
    expect(JSON.parse(readFileSync(file, "utf8"))).not.toHaveProperty("pid");
  });

  test("no environment unless the config has one", () => {
    const file = `${temporary()}/environ`;
    expect(run({ path: "/bin/busybox", args: ["busybox", "cp", "/proc/self/environ", file] })).toBe("");
    expect(readFileSync(file, "utf8")).toBe("");
    const env = ["A=1", "B=two words"];
    expect(run({ path: "/bin/busybox", args: ["busybox", "cp", "/proc/self/environ", file], env })).toBe("");
    expect(readFileSync(file, "utf8")).toBe("A=1\0B=two words\0");
  });

  test("its args as they are, the first included; its path where it has none", () => {
    // busybox is the program that its first argument names.
    const path = `${temporary()}/false`;
    symlinkSync("/bin/busybox", path);
    expect(run({ path, args: ["true"] })).toBe("");
    for (const hook of [{ path }, { path, args: [] }]) expect(run(hook)).toMatch(/exit status 1/);
  });

  test("three descriptors and no other, even of those that tsrun keeps open for its container", () => {
    const fd = openSync("/etc/passwd", "r");
    onTestFinished(() => closeSync(fd));
    const F_SETFD = 2;
    call("", "fcntl", fd, F_SETFD, 0); // not close-on-exec
    const look = "i=0; while [ $i -lt 512 ]; do [ -e /proc/$$/fd/$i ] && L=$L,$i; i=$((i+1)); done";
    const file = `${temporary()}/descriptors`;
    expect(run(sh(`${look}; echo $L >${file}`))).toBe("");
    expect(readFileSync(file, "utf8")).toBe(",0,1,2\n");
  });

  test("no ignored and no blocked signal, though the engine ignores SIGPIPE", () => {
    const ignored = (status: string) => /^SigIgn:\t0*([0-9a-f]*)$/m.exec(status)?.[1];
    expect(ignored(readFileSync("/proc/self/status", "utf8"))).not.toBe("");
    const file = `${temporary()}/status`;
    expect(run({ path: "/bin/busybox", args: ["busybox", "cp", "/proc/self/status", file] })).toBe("");
    const status = readFileSync(file, "utf8");
    expect(ignored(status)).toBe("");
    expect(status).toMatch(/^SigBlk:\t0+$/m);
  });

  test("tsrun's working directory, and a session of its own", () => {
    const [pid, session, directory] = output("echo $$; cut -d ' ' -f 6 /proc/$$/stat; pwd").split("\n");
    expect(session).toBe(pid);
    expect(directory).toBe(process.cwd());
  });

  test("a state larger than a pipe whole, even if it writes as much before it reads", () => {
    const script = "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; wc -c";
    const file = `${temporary()}/count`;
    expect(run(sh(`${script} >${file}`, { timeout: 20 }), LARGE)).toBe("");
    expect(Number(readFileSync(file, "utf8"))).toBe(JSON.stringify(LARGE).length);
  });
});

describe("a hook that fails", () => {
  test("is said with its kind, place, exit status and what it wrote; those behind it do not run", () => {
    const file = `${temporary()}/ran`;
    const hooks = [sh("exit 0"), sh("echo said; echo because >&2; exit 3"), sh(`echo >${file}`)];
    expect(() => runHooks("prestart", hooks, STATE)).toThrow(
      /^error running prestart hook #1: exit status 3, stdout: said, stderr: because$/,
    );
    expect(() => readFileSync(file)).toThrow(/ENOENT/);
  });

  test("does not stop those behind it where failures are only warnings", () => {
    const file = `${temporary()}/ran`;
    const warnings: string[] = [];
    const hooks = [sh("exit 1"), { path: "/no/such" }, sh(`echo last >${file}`), sh("exit 2")];
    runHooks("poststop", hooks, STATE, ({ kind, index }) => warnings.push(`${kind} ${index}`));
    expect(warnings).toEqual(["poststop 0", "poststop 1", "poststop 3"]);
    expect(readFileSync(file, "utf8")).toBe("last\n");
  });

  test("is said by the signal that ended it", () => {
    expect(run(sh("kill -TERM $$"))).toMatch(/hook #0: signal: SIGTERM, stdout: /);
  });

  test("is said by path and errno where it cannot be run", () => {
    const directory = temporary();
    const garbage = `${directory}/garbage`;
    writeFileSync(garbage, "\x01\x02");
    chmodSync(garbage, 0o755);
    expect(run({ path: "/no/such" })).toMatch(/#0: fork\/exec \/no\/such: no such file or directory$/);
    expect(run({ path: "/etc/passwd" })).toMatch(/#0: fork\/exec \/etc\/passwd: permission denied$/);
    expect(run({ path: garbage })).toMatch(/garbage: exec format error$/);
  });

  test("is quoted by the last 16 KiB of what it wrote, however much that was", () => {
    const message = run(sh("head -c 20000000 /dev/zero | tr '\\0' x; echo the end; exit 1"));
    expect(message.length).toBeLessThan(17_000);
    expect(message).toMatch(/exit status 1, stdout: \[…\]x+the end, stderr: $/);
  });

  test("cannot write control characters to the caller's terminal", () => {
    expect(run(sh(`printf 'a\\033[2Jb\\tc\\nd\\r'; exit 1`))).toMatch(/stdout: a\\x1b\[2Jb\tc\nd, stderr/);
  });

  test("is no failure for not reading its state", () => {
    expect(run(sh("exit 0"), LARGE)).toBe("");
    expect(run(sh("exec <&-; sleep 0.1; exit 0"), LARGE)).toBe("");
  });
});

describe("a hook's time", () => {
  test("ends with its timeout: it is killed with all of its session, and nothing is left", async () => {
    const word = `hooks-timeout-${process.pid}`;
    const start = performance.now();
    const message = run(
      sh("sleep 1000 & trap '' TERM; sleep 1000; true", { timeout: 1, env: ["PATH=/bin", `W=${word}`] }),
    );
    expect(message).toBe("error running createRuntime hook #0: hook ran past specified timeout of 1.0s");
    expect(performance.now() - start).toBeGreaterThan(990);
    expect(performance.now() - start).toBeLessThan(20_000);
    await expect.poll(() => processesOf(word)).toEqual([]); // they are killed, and die when it is their turn
  });

  test("may be more than a clock holds, and is not waited for", () => {
    expect(run(sh("exit 0", { timeout: 18446744073709551615n }))).toBe("");
  });

  test("is its own: a daemon that it leaves behind, with its pipes open, is not waited for and not killed", () => {
    const directory = temporary();
    const start = performance.now();
    const message = run(sh(`sleep 1000 & echo $! >${directory}/pid; echo out; exit 1`));
    const pid = Number(readFileSync(`${directory}/pid`, "utf8"));
    onTestFinished(() => void process.kill(pid, "SIGKILL"));
    expect(message).toMatch(/exit status 1, stdout: out, stderr: $/);
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(process.kill(pid, 0)).toBe(true);
  });

  test("is not held up by daemons that write for ever", async () => {
    const word = `hooks-writers-${process.pid}`;
    const writers = "cat /dev/zero & cat /dev/zero & cat /dev/zero & cat /dev/zero &";
    const start = performance.now();
    expect(run(sh(`${writers} exit 0`, { env: ["PATH=/bin", `W=${word}`] }))).toBe("");
    expect(performance.now() - start).toBeLessThan(20_000);
    // With nobody to read, SIGPIPE ends them.
    await expect.poll(() => processesOf(word)).toEqual([]);
  });

  test("costs none of tsrun's once it has closed its pipes", () => {
    const before = process.cpuUsage();
    expect(run(sh("exec <&- >&- 2>&-; sleep 1"), LARGE)).toBe("");
    const { user, system } = process.cpuUsage(before);
    expect(user + system).toBeLessThan(500_000);
  });

  test("ends when tsrun is killed", async () => {
    const word = `hooks-killed-${process.pid}`;
    const text = `const { runHooks } = await import(${JSON.stringify(`${repository}src/lifecycle/hooks.ts`)});
      const env = ["PATH=/bin", "W=${word}"];
      runHooks("prestart", [{ path: "/bin/sleep", args: ["sleep", "1000"], env }], {});`;
    // The last argument is what the script takes for its own path, from which koffi is looked for.
    const words = ["--input-type=module-typescript", "-e", text, `${repository}bin/tsrun.ts`];
    const child = execa(node, words, { reject: false });
    onTestFinished(() => void child.kill("SIGKILL"));
    await expect.poll(() => processesOf(word).length).toBe(1);
    child.kill("SIGKILL");
    await child;
    await expect.poll(() => processesOf(word)).toEqual([]);
  });
});

test("a hook's failure is seen where tsrun's caller ignored SIGCHLD", () => {
  const SIGCHLD = 17;
  const SIG_IGN = 1n;
  const before = new Uint8Array(32);
  const action = new Uint8Array(BigUint64Array.of(SIG_IGN, 0n, 0n, 0n).buffer); // struct sigaction of the kernel's
  call("", "rt_sigaction", SIGCHLD, action, before, 8);
  onTestFinished(() => void call("", "rt_sigaction", SIGCHLD, before, 0, 8));
  expect(run(sh("exit 6"))).toMatch(/exit status 6/);
});

test("no hook, however it ends, leaves a descriptor open in tsrun or a child to be waited for", () => {
  const count = () => call("", "fcntl", 0, 1030, 0); // the lowest free descriptor
  const before = count();
  closeSync(before);
  for (const hook of [sh("exit 0"), sh("exit 1"), { path: "/no/such" }, sh("sleep 9", { timeout: 1 })]) run(hook);
  const after = count();
  closeSync(after);
  expect(after).toBe(before);
  expect(() => call("", "wait4", -1, 0, 1, 0)).toThrow(/ECHILD/);
});
