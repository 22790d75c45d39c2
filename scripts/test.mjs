// `npm test`: all of it, from a fresh clone. Installs npm packages and, on Debian as root, the programs that tests use
// (what cannot be had is said, and the tests that need it are skipped with that reason), builds, runs the gate and every
// suite, and ends with what passed, failed and was skipped and why. Plain Node 20, no node_modules needed.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, installDebianPackages, installPackages, node, PATH, repository } from "./setup.mjs";
import { guestMissing, testInGuest } from "./vm.mjs";

/** Debian package: a program or file that shows that it is installed. */
const PROGRAMS = {
  runc: "runc",
  crun: "crun",
  "busybox-static": "busybox",
  binutils: "objdump",
  "binutils-aarch64-linux-gnu": "aarch64-linux-gnu-objdump",
  "gcc-aarch64-linux-gnu": "aarch64-linux-gnu-gcc",
  "libc6-dev-arm64-cross": "/usr/aarch64-linux-gnu/include/stdio.h",
  "qemu-user-static": "qemu-aarch64-static",
  hyperfine: "hyperfine",
  strace: "strace",
  uidmap: "newuidmap",
  podman: "podman",
  conmon: "conmon",
  catatonit: "catatonit",
  netavark: "/usr/lib/podman/netavark",
  "aardvark-dns": "/usr/lib/podman/aardvark-dns",
  buildah: "buildah",
  containerd: "containerd",
  "containernetworking-plugins": "/usr/lib/cni/bridge",
  "docker.io": "dockerd",
  libseccomp2: "/usr/lib/x86_64-linux-gnu/libseccomp.so.2|/usr/lib/aarch64-linux-gnu/libseccomp.so.2",
  bsdutils: "script",
};

/** Root tests that say something different where cgroup v2 is all there is and systemd has made the mounts: in one boot. */
const GUEST_TESTS = [
  ..."apparmor cgroup delegation exec hazards hooks lifecycle limits mounts namespaces oom process resources rootless systemd terminal"
    .split(" ")
    .map((name) => `test/root/${name}`),
  ..."bpf cgroups/v2 cgroups/devices-v2".split(" ").map((name) => `test/linux/${name}`),
];

/** Those that say something different where systemd has made cgroups of version 1. */
const GUEST_V1_TESTS = "cgroup-place cgroups limits resources systemd update"
  .split(" ")
  .map((name) => `test/root/${name}.test.ts`);

/** In the name of a test that needs what User Mode Linux has not (cpuset, hugetlb, rdma …): it runs in an emulated PC. */
const QEMU_MARK = "[qemu]";

const environment = { ...process.env, PATH, ...(process.env.CI ? { NO_COLOR: "1" } : {}) };
const started = Date.now();
const totals = { passed: 0, failed: [], skipped: [], retried: [] };
const scratch = mkdtempSync(join(tmpdir(), "tsrun-npm-test-"));

// Also when something on the way gives up by process.exit.
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
installPackages();
installDebianPackages(PROGRAMS, "tests that need them are skipped");
build();
gate();
for (const suite of suites()) runSuite(suite);
report();

/** The gate's steps without the unit tests, which are a suite of their own here. */
function gate() {
  const { status } = run(["scripts/ok.ts", "--no-unit"]);
  if (status === 0) totals.passed += 1;
  else totals.failed.push("npm run ok");
}

function suites() {
  const asRoot = process.getuid() === 0;
  return [
    { name: "unit" },
    { name: "engine" },
    { name: "root", missing: asRoot ? undefined : "needs root" },
    { name: "vm", missing: guestMissing(), guest: { words: GUEST_TESTS, seconds: 900 } },
    { name: "vm, cgroup v1", missing: guestMissing(), guest: { cgroup: "v1", words: GUEST_V1_TESTS, seconds: 600 } },
    {
      name: "vm, SELinux",
      missing: guestMissing("uml", true),
      guest: { selinux: true, words: ["test/root/selinux.test.ts"], seconds: 300 },
    },
    {
      name: "vm, QEMU",
      missing: guestMissing("qemu"),
      guest: { backend: "qemu", words: markedTests(), only: QEMU_MARK, seconds: 2400 },
    },
    {
      name: "vm, engines",
      missing: guestMissing(),
      guest: { project: "engines", words: [], seconds: 2700 },
    },
    { name: "engines", missing: asRoot ? undefined : "needs root" },
    {
      name: "conformance",
      missing: validationMissing(),
      command: ["conformance/runtime-tools/run.ts", "--alone"],
    },
  ];
}

/** Makes the programs of OCI's runtime-tools unless they are there; the reason when that cannot be. */
function validationMissing() {
  if (process.getuid() !== 0) return "needs root";
  if (!existsSync("/etc/debian_version")) return "the programs are made of Debian's packages";
  if (!readFileSync("/proc/self/mountinfo", "utf8").includes(" - cgroup "))
    return "the programs know cgroups of version 1 only, and none is mounted here";
  installDebianPackages({ debootstrap: "debootstrap" }, "no programs can be made");
  const script = join(repository, "conformance/runtime-tools/build");
  const { status } = spawnSync("timeout", ["600", script], {
    stdio: ["ignore", "inherit", "inherit"],
    env: environment,
  });
  return status === 0 ? undefined : `the programs cannot be made (${script} ended with status ${status})`;
}

/** Words for vitest that choose the tests with the mark. */
function markedTests() {
  const names = readdirSync(join(repository, "test/root"))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/root/${name}`);
  const files = names.filter((name) => readFileSync(join(repository, name), "utf8").includes(QEMU_MARK));
  return [...files, "--testNamePattern", QEMU_MARK.replace(/[[\]]/g, "\\$&")];
}

function runSuite({ name, missing, guest, command }) {
  if (missing !== undefined) {
    totals.skipped.push({ name: `the suite "${name}"`, reason: missing });
    return;
  }
  console.log(`\n--- ${name} ---`);
  const file = join(scratch, `${name.replace(/\W/g, "")}.json`);
  const vitest = [join(repository, "node_modules/vitest/vitest.mjs"), "run", "--project", name];
  const status =
    guest === undefined
      ? run(command ?? vitest, { TSRUN_TEST_SUMMARY: file }).status
      : testInGuest({ ...guest, summary: file });
  if (!existsSync(file)) {
    totals.failed.push(`the suite "${name}" ended with status ${status} and no result`);
    return;
  }
  const { passed, failed, skipped, retried } = JSON.parse(readFileSync(file, "utf8"));
  const place = guest === undefined ? "" : `in the guest (${name}): `;
  // The others are no part of a run that is for some only.
  const meant = skipped.filter((test) => guest?.only === undefined || test.name.includes(guest.only));
  totals.passed += passed.length;
  totals.retried.push(...retried.map(({ name, reason }) => `${place}${name}: ${reason}`));
  totals.failed.push(...failed.map((test) => `${place}${test}`));
  totals.skipped.push(...meant.map((test) => ({ name: `${place}${test.name}`, reason: test.reason })));
  if (status !== 0 && failed.length === 0) totals.failed.push(`the suite "${name}" ended with status ${status}`);
}

function run(args, more = {}) {
  return spawnSync(node, args, {
    cwd: repository,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...environment, ...more },
  });
}

function report() {
  const { passed, failed, skipped, retried } = totals;
  const reasons = groupByReason(skipped);
  console.log(`\n--- summary, ${Math.round((Date.now() - started) / 1000)} s ---`);
  for (const [reason, tests] of reasons) {
    console.log(`skipped: ${reason}`);
    for (const { name } of tests) console.log(`    ${name}`);
  }
  for (const test of retried) console.log(`passed only at a later try: ${test}`);
  for (const name of failed) console.log(`FAILED: ${name}`);
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function groupByReason(skipped) {
  const groups = new Map();
  for (const test of skipped) groups.set(test.reason, [...(groups.get(test.reason) ?? []), test]);
  return groups;
}
