import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Config } from "../../src/spec/config.gen.ts";
import { type ExampleOptions, exampleConfig, exampleText } from "../../src/spec/example.ts";
import { parseConfig } from "../../src/spec/load.ts";

const OPTIONS: readonly ExampleOptions[] = [
  {},
  { cgroup2: true },
  { rootless: true, uid: 1000, gid: 1001 },
  { rootless: true, cgroup2: true },
];

test.each(OPTIONS)("the example for %j is a valid config", (options) => {
  expect(parseConfig(exampleText(options))).toEqual(exampleConfig(options));
});

test("the text is indented with tabs", () => {
  expect(exampleText()).toMatch(/^\{\n\t"ociVersion": "1\.3\.0",\n\t"process": \{\n\t\t"terminal": true,/);
});

test("each example is an object of its own", () => {
  exampleConfig().mounts?.[1]?.options?.push("noexec");
  expect(exampleConfig().mounts?.[1]?.options).not.toContain("noexec");
});

test("rootless: one id, no network namespace, no limits, nothing that needs other groups", () => {
  const { linux, mounts } = exampleConfig({ rootless: true, uid: 1000, gid: 1001 });
  expect(linux?.uidMappings).toEqual([{ containerID: 0, hostID: 1000, size: 1 }]);
  expect(linux?.gidMappings).toEqual([{ containerID: 0, hostID: 1001, size: 1 }]);
  expect(linux?.namespaces?.map(({ type }) => type)).toEqual(["pid", "ipc", "uts", "mount", "user"]);
  expect(linux).not.toHaveProperty("resources");
  expect(mounts?.find(({ destination }) => destination === "/dev/pts")?.options).toEqual([
    "nosuid",
    "noexec",
    "newinstance",
    "ptmxmode=0666",
    "mode=0620",
  ]);
  expect(mounts?.find(({ destination }) => destination === "/sys")?.type).toBe("none");
});

/** What runc of this machine writes, its later changes and our names applied. */
function runcExample(...flags: string[]): Config {
  const folder = mkdtempSync(join(tmpdir(), "spec-example-"));
  try {
    execFileSync("runc", ["spec", ...flags], { cwd: folder });
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Config;
    delete config.process?.capabilities?.ambient;
    delete config.process?.capabilities?.inheritable;
    const { linux = {} } = config;
    const namespaces = linux.namespaces?.filter(({ type }) => type !== "cgroup") ?? [];
    return { ...config, ociVersion: "1.3.0", hostname: "tsrun", linux: { ...linux, namespaces } };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const noRunc = spawnSync("runc", ["--version"]).status !== 0;

test.skipIf(noRunc)("it is what runc writes", () => {
  expect(exampleConfig()).toEqual(runcExample());
  const ids = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const ours = exampleConfig({ rootless: true, ...ids });
  const theirs = runcExample("--rootless");
  const sorted = (options: string[] | undefined) => options?.toSorted();
  expect(ours.mounts?.map((mount) => ({ ...mount, options: sorted(mount.options) }))).toEqual(
    theirs.mounts?.map((mount) => ({ ...mount, options: sorted(mount.options) })),
  );
  expect(ours.linux).toEqual(theirs.linux);
});
