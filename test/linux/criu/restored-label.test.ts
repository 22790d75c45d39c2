import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { checkKnowsLabels } from "../../../src/linux/criu/restored-label.ts";
import { host } from "../sample.ts";

/** Puts a `criu` into the only directory of PATH. */
function criu(content: string): void {
  const directory = mkdtempSync(join(tmpdir(), "tsrun-test-label-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "criu"), Buffer.from(content, "latin1"));
  chmodSync(join(directory, "criu"), 0o755);
  vi.stubEnv("PATH", directory);
  onTestFinished(() => void vi.unstubAllEnvs());
}

const WITHOUT = "\x7fELF\x02\xff\0libc.so.6\0";

test("a CRIU that is linked without libselinux is refused where a label is asked for", () => {
  criu(WITHOUT);
  expect(() => checkKnowsLabels("a:b:c:s0", host())).toThrow(/process\.selinuxLabel.*criu is built without SELinux/);
  expect(() => checkKnowsLabels(undefined, host())).not.toThrow();
  expect(() => checkKnowsLabels("a:b:c:s0", host({ hasSELinux: () => false }))).not.toThrow();
});

test("one with it is not, nor a script", () => {
  criu(`${WITHOUT}libselinux.so.1\0`);
  expect(() => checkKnowsLabels("a:b:c:s0", host())).not.toThrow();
  criu("#!/bin/sh\nexec /opt/criu\n");
  expect(() => checkKnowsLabels("a:b:c:s0", host())).not.toThrow();
});
