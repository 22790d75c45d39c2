// libseccomp's version without loading it.

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { libseccompVersion } from "../../../src/linux/seccomp/library-version.ts";

test("libseccomp's version is in the name of the file that its soname leads to", () => {
  const directory = mkdtempSync(join(tmpdir(), "libseccomp-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  expect(libseccompVersion([directory])).toBeUndefined();
  writeFileSync(`${directory}/libseccomp.so.2.6.1`, "");
  symlinkSync("libseccomp.so.2.6.1", `${directory}/libseccomp.so.2`);
  expect(libseccompVersion(["/nonexistent", directory])).toBe("2.6.1");
});
