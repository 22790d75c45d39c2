// The matrix in a guest (test/vm): QEMU's, whose kernel is Debian's own and has every controller of version 1 that is left. The
// programs and the runtimes are those of the machine, shared into it by their paths.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));
/** Has systemd mount version 1 and nothing else, which it does by the kernel's command line only. */
const CGROUP_V1 = [
  "systemd.unified_cgroup_hierarchy=0",
  "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
  "systemd.legacy_systemd_cgroup_controller=1",
].join(" ");

/** Runs run.ts there. Its status, and the matrix, which is empty where it came to none. */
export function runInGuest(words: readonly string[]): { status: number; matrix: string } {
  execFileSync(join(repository, "test/vm/build"), { stdio: "inherit" });
  const out = mkdtempSync(join(tmpdir(), "tsrun-conformance-"));
  try {
    const options = ["--backend", "qemu", "--timeout", "3600", "--mem", "3072", "--append", CGROUP_V1];
    const shares = ["--share", repository, "--share", `${out}::rw`, "--chdir", repository];
    const program = ["node_modules/.bin/node", "conformance/runtime-tools/run.ts", `--in-guest=${out}`, ...words];
    const stdio = ["ignore", "ignore", "inherit"] as const;
    const ended = spawnSync(join(repository, "test/vm/run"), [...options, ...shares, "--", ...program], {
      stdio: [...stdio],
    });
    const file = join(out, "matrix");
    return { status: ended.status ?? 1, matrix: existsSync(file) ? readFileSync(file, "utf8") : "" };
  } finally {
    rmSync(out, { recursive: true });
  }
}

/** In the guest: the programs about net_prio take the machine's first two interfaces, and it has one. */
export function addInterface(): void {
  execFileSync("ip", ["link", "add", "second", "type", "dummy"]);
}
