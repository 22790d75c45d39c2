// `npm start`: a container within a minute of cloning. Installs, builds, makes a bundle whose root file system is this
// machine's own /bin, /lib, /usr ... bound read-only (nothing is downloaded, the root directory itself holds a few empty
// directories), runs it with dist/tsrun and lets the container tell what it sees of the machine.

import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { build, installPackages, repository } from "./setup.mjs";

/** Top-level directories of a system that programs need. On most they are links into /usr. */
const SYSTEM = ["bin", "sbin", "lib", "lib32", "lib64", "usr"];
/** The dynamic loader's and the shell's few needs of /etc; never /etc/shadow. */
const FILES = ["etc/ld.so.cache", "etc/ld.so.conf", "etc/alternatives", "etc/passwd", "etc/group"];
const READ_ONLY = ["rbind", "ro", "nosuid", "nodev"];

/** What the container says of itself. Only sh, cat, ls, grep, sed and wc: every system has them. */
const STORY = `
say() { printf '  %-14s %s\\n' "$1" "$2"; }
say "I am process" "$$; I see $(ls -d /proc/[0-9]* | wc -l) processes, all mine"
say "My hostname" "$(cat /proc/sys/kernel/hostname)"
say "My network" "$(ls /sys/class/net | tr '\\n' ' ')and nothing else"
say "My cgroup" "$(sed -n 's/.*memory[^:]*://p;s/^0:://p' /proc/self/cgroup | sed -n 1p) (the root of my own view)"
say "My mounts" "$(wc -l </proc/self/mountinfo), and the host's are not among them"
say "My rights" "$(grep CapEff /proc/self/status | cut -f2) (kill, bind low ports, audit: no more)"
if (echo x >/usr/x) 2>/dev/null; then say "My /usr" "WRITABLE, that is wrong"; exit 1; fi
say "My /usr" "is the host's, and read-only"
if (echo x >/proc/sys/kernel/hostname) 2>/dev/null; then say "My /proc/sys" "WRITABLE, that is wrong"; exit 1; fi
say "My /proc/sys" "is read-only too"
[ "$$" = 1 ] || exit 1
`;

if (process.platform !== "linux") fail("tsrun runs Linux containers: this needs Linux.");
if (process.getuid() !== 0) fail("This first container needs root: sudo npm start");

installPackages();
build();

const directory = mkdtempSync(join(tmpdir(), "tsrun-start-"));
process.exitCode = 1;
try {
  process.exitCode = demonstrate(directory);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function demonstrate(directory) {
  const id = basename(directory);
  const tsrun = process.env.RUNTIME ?? join(repository, "dist/tsrun");
  const state = join(directory, "state");
  makeBundle(join(directory, "bundle"), id);
  console.log(`
The host:      ${hostname()}, ${countProcesses()} processes
The bundle:    ${directory}/bundle (config.json and an almost empty root)
The command:   ${tsrun} run --bundle ${directory}/bundle ${id}

From inside the container:
`);
  const started = performance.now();
  const { status, signal } = spawnSync(tsrun, ["--root", state, "run", "--bundle", join(directory, "bundle"), id], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const milliseconds = Math.round(performance.now() - started);
  if (status !== 0) {
    spawnSync(tsrun, ["--root", state, "delete", "--force", id], { stdio: "ignore" });
    console.error(`\ntsrun ended with ${signal ?? `status ${status}`}`);
    return 1;
  }
  console.log(`
That was a whole container, made, run and removed in ${milliseconds} ms. Nothing of it is left.

Next:          npm test                    everything that is tested
               npm run bench               how fast it is, beside runc and crun
               dist/tsrun --help           what it can do
               ARCHITECTURE.md             how it works, on one page
`);
  return 0;
}

function makeBundle(bundle, id) {
  const root = join(bundle, "rootfs");
  for (const name of ["proc", "sys", "dev", "tmp", "etc", "root"]) mkdirSync(join(root, name), { recursive: true });
  const mounts = [];
  for (const name of SYSTEM) addSystemDirectory(root, name, mounts);
  for (const name of FILES) {
    if (existsSync(`/${name}`))
      mounts.push({ destination: `/${name}`, type: "bind", source: `/${name}`, options: READ_ONLY });
  }
  writeFileSync(join(bundle, "config.json"), JSON.stringify(configuration(id, mounts), null, "\t"));
}

/** A link stays a link (merged /usr), a directory is bound read-only, what is missing is left out. */
function addSystemDirectory(root, name, mounts) {
  const source = `/${name}`;
  const stat = lstatSync(source, { throwIfNoEntry: false });
  if (stat?.isSymbolicLink()) symlinkSync(readlinkSync(source), join(root, name));
  else if (stat?.isDirectory()) mounts.push({ destination: source, type: "bind", source, options: READ_ONLY });
}

function configuration(id, binds) {
  const none = ["nosuid", "noexec", "nodev"];
  const few = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ["/bin/sh", "-c", STORY],
      env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
      cwd: "/",
      capabilities: { bounding: few, effective: few, permitted: few },
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "tsrun",
    mounts: [
      ...binds,
      { destination: "/proc", type: "proc", source: "proc" },
      {
        destination: "/dev",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
      },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
      },
      { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...none, "mode=1777"] },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: [...none, "ro"] },
      { destination: "/tmp", type: "tmpfs", source: "tmp", options: [...none, "mode=1777"] },
    ],
    linux: {
      cgroupsPath: `/${id}`,
      namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })),
      resources: {
        devices: [{ allow: false, access: "rwm" }],
        memory: { limit: 64 * 1024 * 1024 },
        pids: { limit: 64 },
      },
      maskedPaths: ["/proc/kcore", "/proc/keys", "/sys/firmware"],
      readonlyPaths: ["/proc/sys", "/proc/sysrq-trigger"],
    },
  };
}

function countProcesses() {
  const { stdout } = spawnSync("sh", ["-c", "ls -d /proc/[0-9]* | wc -l"], { encoding: "utf8" });
  return stdout.trim();
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
