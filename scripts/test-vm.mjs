// `npm run test:vm [-- [--backend=uml|qemu] [--cgroup=v1|v2] [files and flags of vitest]]`: the root suites in a guest, and its status.
// All of them, in two to three minutes, unless files are named. Installs and builds what is missing, as `npm test` does.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, installPackages } from "./setup.mjs";
import { guestMissing, testInGuest } from "./vm.mjs";

const BACKEND = "--backend=";
const CGROUP = "--cgroup=";
const words = process.argv.slice(2);
const [backend, cgroup] = [BACKEND, CGROUP].map((flag) =>
  words.find((word) => word.startsWith(flag))?.slice(flag.length),
);

installPackages();
build();
const missing = guestMissing(backend);
if (missing === undefined) {
  const scratch = mkdtempSync(join(tmpdir(), "tsrun-test-vm-"));
  const summary = join(scratch, "summary.json");
  const rest = words.filter((word) => !word.startsWith(BACKEND) && !word.startsWith(CGROUP));
  process.exitCode = testInGuest({ words: rest, summary, backend, cgroup, seconds: backend === "qemu" ? 3600 : 900 });
  rmSync(scratch, { recursive: true });
} else {
  console.error(`No guest: ${missing}`);
  process.exitCode = 1;
}
