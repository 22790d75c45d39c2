// The cases, each seen to hold for tsrun and not for a peer: run.ts fails otherwise.

import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { idle, type Json, linux, mounts, namespaces, sh } from "../../test/root/harness/config.ts";
import { ATTACKS } from "./attacks.ts";
import { type Case, tell } from "./case.ts";
import { HOOKS } from "./hooks.ts";
import { hostTmpfs, running, unmountBelow } from "./steps.ts";

const KILL_AND_RAW = ["CAP_KILL", "CAP_NET_RAW"];
const MIB = 1024 * 1024;
const memory = (limit: number): Json => linux({ resources: { memory: { limit, swap: limit } } });

const PROCESS: readonly Case[] = [
  {
    wanted: "Capabilities that the runtime has not got itself are left out",
    asked: "`setpriv --bounding-set -net_raw RUNTIME run`, process.capabilities: CAP_KILL and CAP_NET_RAW",
    because: "config.md#linux-process: runtimes SHOULD NOT fail where capabilities cannot be granted",
    async attempt(box) {
      const capabilities = { bounding: KILL_AND_RAW, effective: KILL_AND_RAW, permitted: KILL_AND_RAW };
      const container = box.container(sh("grep CapEff /proc/self/status"), { process: { capabilities } });
      const result = await container.run([], { under: ["setpriv", "--bounding-set", "-net_raw"] });
      return { holds: /CapEff:\t0{14}20\n/.test(result.stdout), said: tell(result) };
    },
  },
  {
    wanted: "`start` fails where the program cannot be executed",
    asked: "`create`, `start`, process.args: a script whose interpreter is not there",
    because: "runtime.md#start: the program is run, or an error MUST be generated",
    async attempt(box) {
      const container = box.container({ process: { args: ["/broken"] } });
      container.writeFile("broken", "#!/no/such\n", 0o755);
      const created = await container.create();
      const result = created.code === 0 ? await container.start() : created;
      return { holds: result.code !== 0, said: tell(result) };
    },
  },
  {
    wanted: "Limits of the same kind given twice are refused",
    asked: "`create`, process.rlimits: RLIMIT_CORE twice",
    because: "config.md#posix-process: duplicated entries with the same type MUST generate an error",
    attempt: refused({
      process: { rlimits: [2, 1].map((n) => ({ type: "RLIMIT_CORE", soft: n, hard: n })) },
    }),
  },
  {
    wanted: "The user 4294967295 is refused",
    asked: "`create`, process.user.uid: 4294967295",
    because: "setresuid(2) takes it for `stay who you are`, which is root",
    attempt: refused({ process: { user: { uid: 4_294_967_295, gid: 0 } } }),
  },
  {
    wanted: "A text with NUL in it is refused and not cut off there",
    asked: "`run`, process.env: `A=a\\0b`",
    because: "The config's reader and the kernel would read two texts: one is checked and the other used",
    async attempt(box) {
      const env = ["PATH=/bin", "A=a\u0000b"];
      const result = await box.container(sh("echo ran with A=$A"), { process: { env } }).run();
      return { holds: result.code !== 0, said: tell(result) };
    },
  },
  {
    wanted: "The caller's soft limit of open files is the program's",
    asked: "`prlimit --nofile=333: RUNTIME run`, no rlimits in the config",
    because: "Nobody asked for another, and programs that close all descriptors up to it take seconds where it is high",
    async attempt(box) {
      const result = await box.container(sh("ulimit -Sn")).run([], { under: ["prlimit", "--nofile=333:"] });
      return { holds: result.stdout === "333\n", said: tell(result) };
    },
  },
  {
    wanted: "`exec --process` has the umask of the file",
    asked: "`exec --process FILE`, user.umask: 027",
    because: "config.md#posix-platform-user: umask of the user",
    async attempt(box) {
      const container = await running(box);
      const user = { uid: 0, gid: 0, umask: 0o27 };
      const result = await container.execProcess({ args: ["sh", "-c", "umask"], user });
      return { holds: result.stdout === "0027\n", said: tell(result) };
    },
  },
  {
    wanted: "A filter that refuses `getcwd` does not get into the runtime's own way",
    asked: "`run`, linux.seccomp: getcwd SCMP_ACT_ERRNO, process.noNewPrivileges false",
    because: "The filter is for the program and not for the runtime",
    async attempt(box) {
      const syscalls = [{ names: ["getcwd"], action: "SCMP_ACT_ERRNO" }];
      const container = box.container(
        sh("echo ran"),
        linux({ seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls } }),
      );
      const result = await container.run();
      return { holds: result.stdout === "ran\n", said: tell(result) };
    },
  },
];

const CONTAINER: readonly Case[] = [
  {
    wanted: "A bundle that changes behind `create` changes nothing for `exec`",
    asked: "`create`, `start` with process.noNewPrivileges, then a config.json without it, `exec`",
    because: "What runs in a container is held by what it was made with, whoever may write the bundle",
    async attempt(box) {
      const container = await running(box, { process: { noNewPrivileges: true } });
      container.configure(idle(), { process: { noNewPrivileges: false } });
      const result = await container.exec(["grep", "NoNewPrivs", "/proc/self/status"]);
      return { holds: /NoNewPrivs:\t1\n/.test(result.stdout), said: tell(result) };
    },
  },
  {
    wanted: "A namespace that is asked for twice is refused",
    asked: "`create`, linux.namespaces: uts twice",
    because: "config-linux.md#namespaces: a namespace type that occurs twice MUST be an error",
    attempt: refused(namespaces("pid", "mount", "ipc", "uts", "uts")),
  },
  {
    wanted: "A read-only bind mount keeps nosuid and nodev of its source",
    asked: "`run`, a bind mount with `ro` of a tmpfs that is mounted with `nosuid,nodev`",
    because: "mount(2): a remount sets all flags; whoever mounted the source meant it",
    async attempt(box) {
      const source = hostTmpfs(box, "nosuid,nodev");
      const mount = { destination: "/m", type: "bind", source, options: ["bind", "ro"] };
      const result = await box.container(sh("grep ' /m ' /proc/mounts | cut -d' ' -f4"), mounts(mount)).run();
      return { holds: /^ro,nosuid,nodev/.test(result.stdout), said: tell(result) };
    },
  },
  {
    wanted: "The domain name is set",
    asked: '`run`, domainname: "example.org"',
    because: "config.md#domainname",
    async attempt(box) {
      const args = ["cat", "/proc/sys/kernel/domainname"];
      const result = await box.container({ process: { args }, domainname: "example.org" }).run();
      return { holds: result.stdout === "example.org\n", said: tell(result) };
    },
  },
  {
    wanted: "`exec` is in the container's root where it has no mount namespace, too",
    asked: "`exec ID cat /etc/hostname`, linux.namespaces: pid and uts",
    because: "The root file system is root.path whatever the namespaces; else `exec` is on the host",
    async attempt(box) {
      box.defer(() => unmountBelow(box.directory)); // peers leave it
      const container = await running(box, namespaces("pid", "uts"));
      const result = await container.exec(["cat", "/etc/hostname"]);
      const host = readFileSync("/etc/hostname", "utf8");
      return {
        holds: result.stdout === "file\n",
        said: result.stdout === host ? "status 0: prints the host's" : tell(result),
      };
    },
  },
  {
    wanted: "A container of a megabyte runs",
    asked: "`run`, linux.resources.memory.limit 1 MiB, process.args: true (a static busybox)",
    because: "The limit is the program's to use; moby refuses less than 6 MiB for what the runtime needs itself",
    async attempt(box) {
      const result = await box.container(memory(MIB)).run();
      return { holds: result.code === 0, said: tell(result) };
    },
  },
  {
    wanted: "Who waits for a container that ran out of memory is told",
    asked: "`run`, memory.limit 16 MiB, process.args: `tail /dev/zero`",
    because: "137 alone says neither why nor how much",
    async attempt(box) {
      const result = await box.container({ process: { args: ["tail", "/dev/zero"] } }, memory(16 * MIB)).run();
      return { holds: /OOM/i.test(result.stderr), said: tell(result) };
    },
  },
  {
    wanted: "A signal that does not exist is refused",
    asked: "`kill ID SIGNOPE`",
    because: "Status 0 says that the signal was sent",
    async attempt(box) {
      const result = await (await running(box)).kill("SIGNOPE");
      return { holds: result.code !== 0, said: tell(result) };
    },
  },
  {
    wanted: "An error says where in the config it comes from",
    asked: "`create`, mounts[5]: a tmpfs with `size=galaxy`",
    because: "A config has dozens of mounts, and engines show their users this line",
    async attempt(box) {
      const result = await box
        .container(mounts({ destination: "/m", type: "tmpfs", source: "t", options: ["size=galaxy"] }))
        .create();
      return { holds: result.code !== 0 && /mounts\W5/.test(result.stderr), said: tell(result) };
    },
  },
  {
    wanted: "All that is wrong with a config is told at once",
    asked: '`create`, process.cwd: "relative", and a hook whose path is relative',
    because: "config.md: both MUST be absolute; one error at a time is one attempt at a time",
    async attempt(box) {
      const wrong = { process: { cwd: "relative" }, hooks: { poststop: [{ path: "bin/true" }] } };
      const result = await box.container(wrong).create();
      const found = [/cwd/, /hook/i].filter((word) => word.test(result.stderr));
      return { holds: result.code !== 0 && found.length === 2, said: tell(result) };
    },
  },
  {
    wanted: "A console socket without a terminal is refused",
    asked: "`create --console-socket PATH`, process.terminal false",
    because: "Who listens would wait for a terminal that never comes",
    async attempt(box) {
      const result = await box.container(idle()).create(["--console-socket", box.path("socket")]);
      return { holds: result.code !== 0, said: tell(result) };
    },
  },
  {
    wanted: "`run` that is ended while it makes the container runs no program and leaves nothing",
    asked: "SIGTERM at `run` while a createRuntime hook sleeps",
    because: "A service manager that ends a start does not want the service an hour later",
    async attempt(box) {
      const mark = box.path("hook");
      const hook = { path: "/bin/sh", args: ["sh", "-c", `touch ${mark}; sleep 1`] };
      const container = box.container(sh("sleep 1; echo ran"), { hooks: { createRuntime: [hook] } });
      const run = container.beginRun();
      for (let tries = 0; tries < 200 && !existsSync(mark); tries += 1) await sleep(20);
      run.kill("SIGTERM");
      const ended = await run;
      const state = await box.call(["state", container.id]);
      const left = state.code === 0 ? `a container that is ${JSON.parse(state.stdout).status}` : "none";
      const ran = String(ended.stdout).includes("ran");
      return {
        holds: state.code !== 0 && !ran && ended.exitCode !== 0,
        said: `status ${ended.exitCode ?? ended.signal}${ran ? ", the program has run" : ""}, leaves ${left}`,
      };
    },
  },
];

/** All, by what they are about. */
export const CASES: Readonly<Record<string, readonly Case[]>> = {
  "The process": PROCESS,
  "The container and its commands": CONTAINER,
  Hooks: HOOKS,
  Attacks: ATTACKS,
};

/** A config that must be refused. */
function refused(...overrides: readonly Json[]): Case["attempt"] {
  return async (box) => {
    const result = await box.container(idle(), ...overrides).create();
    return { holds: result.code !== 0, said: tell(result) };
  };
}
