// The root suites in a virtual machine, where systemd is the first process and cgroup v2 all there is (test/vm): for
// `npm run test:vm` and the suites "vm" of `npm test`. The repository is shared with the guest, which runs vitest with the
// Node of the dev dependencies; what it writes stays there, but for the summary. All files in one boot.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { installDebianPackages, node, PATH, repository } from "./setup.mjs";

/** Debian package: a program that shows that it is installed. */
const PROGRAMS = { debootstrap: "debootstrap", e2fsprogs: "mke2fs", zstd: "zstd", "xz-utils": "xz" };
const QEMU = {
  "qemu-system-x86": "qemu-system-x86_64",
  virtiofsd: "/usr/libexec/virtiofsd|/usr/lib/qemu/virtiofsd", // Debian 12 has it in a package that qemu brings
};

/** Has systemd mount cgroup v1 (the hybrid of it), which it does by the kernel's command line only. */
const CGROUP_V1 = "systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1";
/** Has the kernel run SELinux in place of AppArmor, and deny nothing until a test has loaded a policy. */
const LSM_SELINUX = "lsm=selinux enforcing=0";
/** Compiles policies of SELinux. Only here: the guest's image has what most tests need. */
const SECILC = { secilc: "secilc" };

/** A guest that died of itself, before the command ended. */
const DIED = 125;

/** Debian's suites that have guests, and what each has beyond the packages that test/vm/build lists. Sid has the newest engines. */
const SUITES = { trixie: "", sid: "rootlesskit" };

/** How test/vm/build ended, by suite. */
const builds = new Map();

const environment = { ...process.env, PATH };

/** Makes the guest's image unless it is there; the reason when that cannot be. */
export function guestMissing(backend = "uml", selinux = false, suite = "trixie") {
  if (!(suite in SUITES)) return `no guest of the suite ${suite}: there are ${Object.keys(SUITES).join(" and ")}`;
  if (process.arch !== "x64") return "the guest is for x86-64 only";
  if (process.getuid() !== 0) return "needs root";
  if (!existsSync("/etc/debian_version")) return "the guest is made of Debian's packages";
  installDebianPackages(backend === "qemu" ? { ...PROGRAMS, ...QEMU } : PROGRAMS, "no guest can be made");
  if (selinux) installDebianPackages(SECILC, "no policy for SELinux can be made");
  // Once: what failed will fail again. `timeout` ends what the script started, too.
  if (!builds.has(suite))
    builds.set(suite, spawn("timeout", ["300", join(repository, "test/vm/build")], ofSuite(suite)).status);
  const status = builds.get(suite);
  return status === 0 ? undefined : `the guest's image cannot be made (test/vm/build ended with status ${status})`;
}

/**
 * Runs a project of vitest's in a guest, and returns its status. `summary` is a file in a folder of its own, `versions` and `page`
 * one in the same: what the project "engines" writes. With `selinux` that is the guest's security module, in place of AppArmor, and
 * there is a policy for tests to load. `suite` is Debian's.
 */
export function testInGuest(options) {
  const { words, summary, project = "root", page, versions, seconds } = options;
  const { backend = "uml", suite = "trixie", cgroup = "v2", selinux = false } = options;
  const vitest = join(repository, "node_modules/vitest/vitest.mjs");
  prepareInjector();
  const policy = selinux ? compilePolicy(dirname(summary)) : undefined;
  const env = {
    TSRUN_TEST_SUMMARY: summary,
    TSRUN_SELINUX_POLICY: policy,
    TSRUN_ENGINE_VERSIONS: versions,
    TSRUN_TEST_PATIENCE: backend === "qemu" ? "8" : undefined,
    ARTICLE_PAGE: page,
    RUNTIME: process.env.RUNTIME,
    NO_COLOR: "1",
    CI: "1",
  };
  const how = [
    ...["--backend", backend, "--timeout", `${seconds}`, "--mem", "3072", "--chdir", repository],
    ...["--append", [cgroup === "v1" ? CGROUP_V1 : "", selinux ? LSM_SELINUX : ""].join(" ")],
    ...["--share", repository, "--share", `${dirname(summary)}::rw`],
    ...Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : ["--env", `${name}=${value}`])),
  ];
  const command = [node, vitest, "run", "--project", project, ...words];
  const run = () => spawn(join(repository, "test/vm/run"), [...how, "--", ...command], ofSuite(suite));
  const { status } = run();
  if (status !== DIED) return status;
  console.log("The guest died; once more.");
  return run().status;
}

/** The path of the policy, as the kernel takes it; the tests that need it say so where it could not be made. */
function compilePolicy(directory) {
  const policy = join(directory, "selinux-policy");
  const contexts = join(directory, "selinux-contexts"); // of files: it says nothing of them
  const source = join(repository, "test/vm/selinux.cil");
  const { status } = spawn("secilc", ["--policyvers", "33", "--output", policy, "--filecontext", contexts, source]);
  return status === 0 ? policy : undefined;
}

/** Compiles the helper of test/faults to where the guest, which has no compiler, finds it. */
function prepareInjector() {
  const flags = ["-std=gnu17", "-D_GNU_SOURCE", "-O2"];
  spawn("cc", [...flags, "-o", join(repository, ".cache/inject"), join(repository, "test/faults/inject.c")]);
}

/** What test/vm/build and test/vm/run take from the environment. */
function ofSuite(suite) {
  const extra = [SUITES[suite], process.env.VM_EXTRA].filter(Boolean).join(" ");
  return { VM_SUITE: suite, ...(extra === "" ? {} : { VM_EXTRA: extra }) };
}

function spawn(program, args, more = {}) {
  const env = { ...environment, ...more };
  return spawnSync(program, args, { cwd: repository, stdio: ["ignore", "inherit", "inherit"], env });
}
