// `npm test`: all of it, from a fresh clone. Installs npm packages and, on Debian as root, the programs that tests use
// (what cannot be had is said, and the tests that need it are skipped with that reason), builds, runs the gate and every
// suite, and ends with what passed, failed and was skipped and why. Plain Node 20, no node_modules needed.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
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
  containerd: "containerd",
  "docker.io": "dockerd",
  libseccomp2: "/usr/lib/x86_64-linux-gnu/libseccomp.so.2|/usr/lib/aarch64-linux-gnu/libseccomp.so.2",
  bsdutils: "script",
};

/** Root tests that say something different where cgroup v2 is all there is and systemd the first process. */
const GUEST_TESTS = [
  ...["cgroup", "command-line", "exec", "hazards", "hooks", "lifecycle", "namespaces", "run", "terminal"].map(
    (name) => `test/root/${name}`,
  ),
  "test/linux/",
];

const environment = { ...process.env, PATH, ...(process.env.CI ? { NO_COLOR: "1" } : {}) };
const started = Date.now();
const totals = { passed: 0, failed: [], skipped: [] };
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
    { name: "root", missing: asRoot ? undefined : "needs root" },
    { name: "vm", missing: guestMissing(), inGuest: true },
    { name: "engines", missing: asRoot ? undefined : "needs root" },
  ];
}

function runSuite({ name, missing, inGuest }) {
  if (missing !== undefined) {
    totals.skipped.push({ name: `the suite "${name}"`, reason: missing });
    return;
  }
  console.log(`\n--- ${name} ---`);
  const file = join(scratch, `${name}.json`);
  const status = inGuest
    ? testInGuest({ words: GUEST_TESTS, summary: file, seconds: 240 })
    : run([join(repository, "node_modules/vitest/vitest.mjs"), "run", "--project", name], { TSRUN_TEST_SUMMARY: file })
        .status;
  if (!existsSync(file)) {
    totals.failed.push(`the suite "${name}" ended with status ${status} and no result`);
    return;
  }
  const { passed, failed, skipped } = JSON.parse(readFileSync(file, "utf8"));
  const place = inGuest ? "in the guest: " : "";
  totals.passed += passed;
  totals.failed.push(...failed.map((test) => `${place}${test}`));
  totals.skipped.push(...skipped.map((test) => ({ name: `${place}${test.name}`, reason: test.reason })));
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
  const { passed, failed, skipped } = totals;
  const reasons = groupByReason(skipped);
  console.log(`\n--- summary, ${Math.round((Date.now() - started) / 1000)} s ---`);
  for (const [reason, tests] of reasons) {
    console.log(`skipped: ${reason}`);
    for (const { name } of tests) console.log(`    ${name}`);
  }
  for (const name of failed) console.log(`FAILED: ${name}`);
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function groupByReason(skipped) {
  const groups = new Map();
  for (const test of skipped) groups.set(test.reason, [...(groups.get(test.reason) ?? []), test]);
  return groups;
}
