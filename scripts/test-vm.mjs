// `npm run test:vm [-- [--backend=uml|qemu] [--suite=trixie|sid] [--cgroup=v1|v2] [--selinux] [--project=root|engines]
// [files and flags of vitest]]`: the root suites in a guest, or with the project `engines` those that drive engines, and its status.
// All of them, in two to three minutes, unless files are named. Installs and builds what is missing, as `npm test` does.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, installPackages } from "./setup.mjs";
import { guestMissing, testInGuest } from "./vm.mjs";

/** SELinux is the guest's security module, in place of AppArmor. */
const SELINUX = "--selinux";
/** Flags with a value, by their names; all else is vitest's. */
const FLAGS = ["backend", "suite", "cgroup", "project"];
const words = process.argv.slice(2);
const values = Object.fromEntries(FLAGS.map((name) => [name, flagValue(name)]));
const { backend, suite } = values;
const selinux = words.includes(SELINUX);

installPackages();
build();
const missing = guestMissing(backend, selinux, suite);
if (missing === undefined) {
  const scratch = mkdtempSync(join(tmpdir(), "tsrun-test-vm-"));
  const summary = join(scratch, "summary.json");
  const ours = (word) => word === SELINUX || FLAGS.some((name) => word.startsWith(`--${name}=`));
  const rest = words.filter((word) => !ours(word));
  const seconds = backend === "qemu" ? 3600 : 900;
  process.exitCode = testInGuest({ ...values, words: rest, summary, selinux, seconds });
  rmSync(scratch, { recursive: true });
} else {
  console.error(`No guest: ${missing}`);
  process.exitCode = 1;
}

function flagValue(name) {
  const flag = `--${name}=`;
  return words.find((word) => word.startsWith(flag))?.slice(flag.length);
}
