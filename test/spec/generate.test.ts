import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GENERATED = ["config.gen.ts", "state.gen.ts", "features.gen.ts", "validate-config.gen.ts"];

const check = (root: string) =>
  spawnSync(process.execPath, [join(root, "scripts/generate.ts"), "--check"], { encoding: "utf8" });

test("the generated files are what their schemas make", () => {
  expect(check(ROOT)).toMatchObject({ status: 0, stderr: "" });
});

test("a changed schema makes the check fail and name the stale files", () => {
  const copy = mkdtempSync(join(tmpdir(), "spec-generate-"));
  try {
    for (const part of ["schemas", "scripts/generate.ts", "scripts/help-text.ts", "src"])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    cpSync(join(ROOT, "package.json"), join(copy, "package.json"));
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    const file = join(copy, "schemas/process.schema.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"RLIMIT_AS"', '"RLIMIT_NEW"'));
    const { status, stderr } = check(copy);
    expect(status).toBe(1);
    expect(stderr).toContain("src/spec/config.gen.ts is stale");
    expect(stderr).toContain("src/spec/validate-config.gen.ts is stale");
    expect(stderr).not.toContain("features.gen.ts");
  } finally {
    rmSync(copy, { recursive: true });
  }
});

test.each(GENERATED)("%s names the command that makes it, on its first line", (name) => {
  expect(readFileSync(join(ROOT, "src/spec", name), "utf8").split("\n")[0]).toContain("npm run generate");
});

test("the validators load nothing", () => {
  const text = readFileSync(join(ROOT, "src/spec/validate-config.gen.ts"), "utf8");
  expect(text.match(/^import .*$|\brequire\(.*$/gm)).toEqual(['import type { Validator } from "./validate.ts";']);
});
