// `npm run test:vm [-- [--backend=uml|qemu] [files and flags of vitest]]`: the root suites in a guest, and its status.
// All of them, in two to three minutes, unless files are named. Installs and builds what is missing, as `npm test` does.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, installPackages } from "./setup.mjs";
import { guestMissing, testInGuest } from "./vm.mjs";

const BACKEND = "--backend=";
const words = process.argv.slice(2);
const backend = words.find((word) => word.startsWith(BACKEND))?.slice(BACKEND.length);

installPackages();
build();
const missing = guestMissing(backend);
if (missing === undefined) {
  const scratch = mkdtempSync(join(tmpdir(), "tsrun-test-vm-"));
  const summary = join(scratch, "summary.json");
  const rest = words.filter((word) => !word.startsWith(BACKEND));
  process.exitCode = testInGuest({ words: rest, summary, backend, seconds: backend === "qemu" ? 3600 : 900 });
  rmSync(scratch, { recursive: true });
} else {
  console.error(`No guest: ${missing}`);
  process.exitCode = 1;
}
