// `npm run test:vm [-- [--backend=uml|qemu] [--cgroup=v1|v2] [--selinux] [files and flags of vitest]]`: the root suites in a
// guest, and its status.
// All of them, in two to three minutes, unless files are named. Installs and builds what is missing, as `npm test` does.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, installPackages } from "./setup.mjs";
import { guestMissing, testInGuest } from "./vm.mjs";

const BACKEND = "--backend=";
const CGROUP = "--cgroup=";
/** SELinux is the guest's security module, in place of AppArmor. */
const SELINUX = "--selinux";
const words = process.argv.slice(2);
const [backend, cgroup] = [BACKEND, CGROUP].map((flag) =>
  words.find((word) => word.startsWith(flag))?.slice(flag.length),
);
const selinux = words.includes(SELINUX);

installPackages();
build();
const missing = guestMissing(backend, selinux);
if (missing === undefined) {
  const scratch = mkdtempSync(join(tmpdir(), "tsrun-test-vm-"));
  const summary = join(scratch, "summary.json");
  const ours = (word) => word.startsWith(BACKEND) || word.startsWith(CGROUP) || word === SELINUX;
  const rest = words.filter((word) => !ours(word));
  const seconds = backend === "qemu" ? 3600 : 900;
  process.exitCode = testInGuest({ words: rest, summary, backend, cgroup, selinux, seconds });
  rmSync(scratch, { recursive: true });
} else {
  console.error(`No guest: ${missing}`);
  process.exitCode = 1;
}
