// Attacks on an ordinary user (A, as-user.sh) who runs containers, by another user of the host (B), by what his containers run,
// and by what lies where he calls tsrun.

import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lchownSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, vi } from "vitest";
import { idle, type Json, MOUNTS, sh } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { except, needs, program } from "../harness/needs.ts";
import { BOTH, container, give, SINGLE, SUB, USER } from "../harness/rootless.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { arm, attacking, compiler, OTHER, onlyOurs } from "./attacker.ts";

// Before the harness is loaded, which reads it once. The wrapper runs what was to be run.
vi.hoisted(() => {
  process.env.AS_USER = process.env.RUNTIME || `${import.meta.dirname}/../../../dist/tsrun`;
  process.env.RUNTIME = `${import.meta.dirname}/../as-user.sh`;
});

const helpers = program("newuidmap");

/** What B's shell prints. */
function asOther(script: string, ...words: string[]): string {
  const as = [`--reuid=${OTHER}`, `--regid=${OTHER}`, "--clear-groups", "sh", "-c", script, "sh", ...words];
  return spawnSync("setpriv", as, { encoding: "utf8" }).stdout;
}

/** A state root that B may enter, as engines make theirs. */
function openRoot(box: Sandbox): void {
  chmodSync(box.directory, 0o755);
  mkdirSync(box.root, { recursive: true });
  chownSync(box.root, USER, USER);
  chmodSync(box.root, 0o755);
}

/** Has a directory in the image: root of subordinate ids alone cannot make one there. */
function makeInside(box: Sandbox, made: Container, name: string): void {
  mkdirSync(join(made.rootfs, name), { recursive: true });
  give(box);
}

/** Everything that one user may try with a process and a container's directory of another's. What succeeds is printed. */
const TRIES = `
for file in $1 $1/* $1/state.json $1/config.json $1/exec.fifo $1/exec.failure $1/notify/notify.sock; do
  [ "$file" = $1 ] || { [ -e "$file" ] && echo "sees $file"; }
  cat "$file" 2>/dev/null
  timeout 1 sh -c ': >>"$1"' sh "$file" 2>/dev/null && echo "writes $file"
  timeout 1 flock --nonblock "$file" true 2>/dev/null && echo "locks $file"
done
mv $1 $1-moved 2>/dev/null && echo moved
touch $1/file 2>/dev/null && echo made
kill -0 $2 2>/dev/null && echo signals
for file in environ maps mem auxv stack syscall; do cat /proc/$2/$file 2>/dev/null | head -c 100 | wc -c | grep -v '^0$'; done
for file in root cwd exe ns/mnt ns/user; do readlink /proc/$2/$file 2>/dev/null; done
ls /proc/$2/fd 2>/dev/null
nsenter --target $2 --user --mount true 2>/dev/null && echo entered
true`;

const KINDS = [
  ["the user's own id alone", SINGLE, undefined],
  ["his own and subordinate ids", BOTH, helpers],
  ["subordinate ids", SUB, helpers],
] as const;

describe.each(KINDS)("of a container with %s", (_, kind, missing) => {
  needs(missing, except({ runc: "1.1 needs a cgroup", crun: "1.8 lets see what is in its directory" }))(
    "another user sees nothing, and can neither take, lock nor signal anything, whatever the umask",
    async ({ box }) => {
      openRoot(box);
      const made = container(box, kind, idle());
      makeInside(box, made, "run/notify");
      chmodSync(box.directory, 0o755);
      const mask = process.umask(0);
      box.defer(() => void process.umask(mask));
      // The service manager whom the container is to tell that it is ready: a socket in its directory for it.
      const notify = { env: { NOTIFY_SOCKET: box.path("manager.sock") } };
      expect(await made.create([], notify)).toMatchObject({ code: 0, stderr: "" });
      const { pid } = await made.state();
      const directory = join(box.root, made.id);
      expect(existsSync(join(directory, "notify"))).toBe(true);
      expect(asOther(TRIES, directory, String(pid))).toBe("");
      expect((await made.start()).code).toBe(0);
      await made.untilOutput("ready");
      expect(asOther(TRIES, directory, String(pid))).toBe("");
      expect((await made.exec(["true"])).code).toBe(0);
    },
  );

  needs(missing, except({ runc: "1.1 needs a cgroup", crun: "1.8 has no notify" }))(
    "it can say that it is ready, in a directory that nobody else may enter",
    async ({ box }) => {
      const made = container(box, kind, sh("stat -c %F /run/notify/notify.sock; echo $NOTIFY_SOCKET"));
      makeInside(box, made, "run/notify");
      const manager = { env: { NOTIFY_SOCKET: box.path("manager.sock") } };
      expect((await made.run([], manager)).stdout).toBe("socket\n/run/notify/notify.sock\n");
    },
  );
});

describe("by what his containers run", () => {
  needs(helpers, except({ runc: "1.1 cannot give its fifo to a subordinate id" }))(
    "with subordinate ids, the state root is closed, though it is mounted there",
    async ({ box }) => {
      openRoot(box);
      const state = { destination: "/state", type: "bind", source: box.root, options: ["rbind"] };
      const tries =
        "cd /state; for each in * ; do ls $each; cat $each/*; echo >$each/x; rm -r $each; done; echo >x; ls";
      const made = container(
        box,
        SUB,
        { mounts: [...MOUNTS, state] },
        sh(`(${tries}) 2>/dev/null; echo ready; sleep 30`),
      );
      makeInside(box, made, "state");
      chmodSync(box.directory, 0o755);
      expect(await made.runDetached()).toMatchObject({ code: 0, stderr: "" });
      expect(await made.untilOutput("ready")).toBe(`${made.id}\nready\n`);
      expect((await made.exec(["true"])).code).toBe(0);
    },
  );
});

describe.each(KINDS)("by root, with CAP_SYS_PTRACE, of a container with %s", (_, kind, missing) => {
  const SETS = ["CAP_KILL", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"];
  const traces: Json = { process: { capabilities: { bounding: SETS, effective: SETS, permitted: SETS } } };

  needs(
    missing,
    compiler,
    onlyOurs,
  )(
    "what exec brings in is neither read nor robbed of what it has open, nor is what it runs written to",
    async ({ box }) => {
      for (const how of ["spy", "keep", "weigh", "overwrite"] as const) {
        const made = box.container(attacking(how), traces, kind);
        arm(made);
        give(box);
        expect(await made.runDetached()).toMatchObject({ code: 0, stderr: "" });
        await made.untilOutput("ready");
        for (let i = 0; i < 8; i++) expect((await made.exec(["true"])).code).toBe(0);
        const got = made
          .output()
          .replaceAll(/^weighed .* has $/gm, "")
          .trim();
        expect(got, how).toBe("ready");
        await made.delete("--force"); // lest it keeps a processor busy
      }
    },
  );

  needs(
    missing,
    compiler,
    onlyOurs,
  )("an init that waits for start in the same pod gives nothing away", async ({ box }) => {
    const first = box.container(sh("echo ready; exec sleep 100"), traces, kind);
    arm(first);
    give(box);
    expect(await first.runDetached()).toMatchObject({ code: 0, stderr: "" });
    await first.untilOutput("ready");
    const { pid } = await first.state();
    const joined = ["user", "pid"].map((type) => ({ type, path: `/proc/${pid}/ns/${type}` }));
    const namespaces = [...joined, ...["mount", "ipc", "uts", "network"].map((type) => ({ type }))];
    const beside = { linux: { namespaces, uidMappings: undefined, gidMappings: undefined } };
    const second = container(box, kind, beside, idle());
    expect(await second.create()).toMatchObject({ code: 0, stderr: "" });
    expect((await first.exec(["/attacker", "rob"])).stdout).toMatch(/^(tried \d+\n)+$/);
    expect((await second.start()).code).toBe(0);
  });
});

describe("where he calls tsrun", () => {
  const PATHS = [":$", ".:$", "$:", "bin:$"];
  needs(helpers, except({ runc: "1.1 finds no newuidmap then", crun: "1.8 takes it" }))(
    "no program of the bundle's is taken for newuidmap, though PATH names the current directory",
    async ({ box }) => {
      const mark = box.path("mark");
      for (const path of PATHS) {
        const made = container(box, BOTH, sh("echo fine"));
        for (const name of ["newuidmap", "newgidmap", "bin/newuidmap", "bin/newgidmap"]) {
          mkdirSync(join(made.bundle, name, ".."), { recursive: true });
          writeFileSync(join(made.bundle, name), `#!/bin/sh\nid -u >>${mark}\n`, { mode: 0o755 });
        }
        give(box);
        const env = { PATH: path.replace("$", `${process.env.PATH}:/usr/sbin`) };
        const result = await made.run([], { cwd: made.bundle, env });
        expect(result, path).toMatchObject({ code: 0, stdout: "fine\n" });
        expect(existsSync(mark), path).toBe(false);
      }
    },
  );

  needs(except({ runc: "1.1 takes it", crun: "1.8 takes it" }))(
    "an $XDG_RUNTIME_DIR of another user's is refused, whatever he lets do in it",
    async ({ box }) => {
      const made = container(box, SINGLE, sh("echo fine"));
      chmodSync(box.directory, 0o755);
      const run = box.makeDirectory("run");
      const call = (directory: string | undefined) =>
        spawnSync(process.env.RUNTIME ?? "", ["run", made.id], {
          env: { ...process.env, TSRUN_TEST: box.word, XDG_RUNTIME_DIR: directory },
          cwd: made.bundle,
          encoding: "utf8",
        });
      chownSync(run, OTHER, OTHER);
      chmodSync(run, 0o777);
      expect(call(run).stderr).toContain(`${run} belongs to user ${OTHER}`);
      const link = box.path("link");
      chownSync(run, USER, USER);
      chmodSync(run, 0o700);
      symlinkSync(run, link);
      lchownSync(link, OTHER, OTHER);
      expect(call(link).stderr).toContain(`${link} belongs to user ${OTHER}`);
      expect(call(run)).toMatchObject({ status: 0, stdout: "fine\n" });
      // Without one it is root's, where he can make nothing.
      expect(call(undefined).stderr).toMatch(/EACCES.*\/run\/tsrun/);
    },
  );

  needs(except({ runc: "appends to it; waits for a reader", crun: "appends to it; waits for a reader" }))(
    "a log or pid file in a directory of all users' is not written through another user's link, nor waited for",
    async ({ box }) => {
      const all = box.makeDirectory("all");
      const own = box.path("own");
      writeFileSync(own, "own\n");
      const bad = container(box, SINGLE, { process: { args: ["/nowhere"] } });
      const good = container(box, SINGLE, sh("true"));
      chownSync(all, 0, 0);
      chmodSync(all, 0o1777);
      chmodSync(box.directory, 0o755);
      const link = join(all, "link");
      symlinkSync(own, link);
      lchownSync(link, OTHER, OTHER);
      const run = ["run", "--bundle"];
      const logged = await box.call(["--log", link, ...run, bad.bundle, bad.id]);
      expect(logged.stderr).toContain("cannot write the log: ");
      expect((await box.call([...run, good.bundle, "--pid-file", link, good.id])).stderr).toContain("EPERM");
      const fifo = join(all, "fifo");
      execFileSync("mkfifo", ["-m", "666", fifo]);
      chownSync(fifo, OTHER, OTHER);
      const waiting = await box.call(["--log", fifo, ...run, bad.bundle, bad.id], { timeout: 5000 });
      expect(waiting.stderr).toContain("cannot write the log: ENXIO");
      expect((await box.call([...run, good.bundle, "--pid-file", fifo, good.id])).code).not.toBe(0);
      expect(readFileSync(own, "utf8")).toBe("own\n");
      // Root's links, and one's own, are as ever.
      for (const uid of [0, USER]) {
        lchownSync(link, uid, uid);
        await box.call(["--log", link, ...run, bad.bundle, bad.id]);
      }
      expect(readFileSync(own, "utf8").match(/level=error/g)).toHaveLength(2);
    },
  );
});

describe("a hook", () => {
  const HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
  needs(except({ runc: "1.1 needs a cgroup", crun: "1.8 hands descriptors on" }))(
    "has three streams, no environment, and what rights the caller has",
    async ({ box }) => {
      const journal = box.makeDirectory("journal");
      const hook = (kind: string): Json[] => [
        {
          path: "/bin/sh",
          args: [
            "sh",
            "-c",
            `{ ls /proc/self/fd; grep NoNewPrivs /proc/self/status; tr '\\0' '\\n' </proc/self/environ; } >${journal}/${kind}`,
          ],
        },
      ];
      const bind = { destination: journal, type: "bind", source: journal, options: ["bind"] };
      const made = container(box, SINGLE, { mounts: [...((SINGLE.mounts as Json[]) ?? []), bind] }, sh("true"), {
        process: { noNewPrivileges: true },
        hooks: Object.fromEntries(HOOKS.map((kind) => [kind, hook(kind)])),
      });
      const open = ["/", "/etc", "/etc/passwd"].map((path) => openSync(path, "r"));
      try {
        expect(await made.run([], { descriptors: open, env: { SECRET: "word" } })).toMatchObject({ code: 0 });
      } finally {
        for (const fd of open) closeSync(fd);
      }
      for (const kind of HOOKS) {
        const text = readFileSync(join(journal, kind), "utf8");
        expect([kind, text]).toEqual([kind, expect.stringMatching(/^0\n1\n2\n3\nNoNewPrivs:\t[01]\n/)]);
        expect(text, kind).not.toContain("SECRET");
      }
    },
  );
});
