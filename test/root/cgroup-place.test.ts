// Where a container's cgroup is, by linux.cgroupsPath: absolute, relative or none, several levels deep, with the controllers
// that its limits need handed down on the way. In whatever cgroups there are: v1 here, v2 in the guest.

import { readFileSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { cgroupVersion } from "./harness/cgroup-files.ts";
import { idle, type Json } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { test } from "./harness/fixture.ts";
import { cgroupsOf } from "./harness/leftovers.ts";
import { except, needs } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";

/** Hierarchy of /proc/PID/cgroup: the path in it. */
function placesOf(pid: number | "self"): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  return new Map(lines.map((line) => line.split(":")).map(([, name = "", ...path]) => [name, path.join(":")]));
}

/** Those that a container is placed in: all on v1, but for the v2 hierarchy that may be beside them and named ones. */
function hierarchies(): string[] {
  const names = [...placesOf("self").keys()];
  return cgroupVersion === "v2" ? [""] : names.filter((name) => name !== "" && !name.startsWith("name="));
}

const LIMITS: Json = {
  resources: { pids: { limit: 17 }, cpu: { shares: 512 }, devices: [{ allow: false, access: "rwm" }] },
};

async function made(box: Sandbox, cgroupsPath: string | undefined): Promise<[Container, Map<string, string>]> {
  const container = box.container(idle(), { linux: { ...LIMITS, cgroupsPath } });
  // Parents that were missing stay, as they may be others' by then.
  box.defer(async () => {
    await container.delete("--force");
    for (const path of cgroupsOf(box.word).reverse()) rmdirSync(path);
  });
  expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
  return [container, placesOf((await container.state()).pid)];
}

/** What a relative path starts from. cgroup v2: beside tsrun's own cgroup, which has processes and so no cgroups with limits. */
function start(hierarchy: string): string {
  const own = placesOf("self").get(hierarchy) ?? "/";
  return cgroupVersion === "v2" ? dirname(own) : own;
}

describe("the cgroup of a container is", () => {
  test("an absolute path, the same in every hierarchy, with its limits in force", async ({ box }) => {
    const path = `/${box.word}-a/b/c/d`;
    const [, places] = await made(box, path);
    for (const name of hierarchies()) expect(places.get(name), name).toBe(path);
    const mount = cgroupVersion === "v2" ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
    expect(readFileSync(`${mount}${path}/pids.max`, "utf8")).toBe("17\n");
    const weight = cgroupVersion === "v2" ? `${mount}${path}/cpu.weight` : `/sys/fs/cgroup/cpu${path}/cpu.shares`;
    expect(readFileSync(weight, "utf8")).toBe(cgroupVersion === "v2" ? "59\n" : "512\n");
  });

  needs(except({ crun: "starts from the root" }))(
    "a relative path below the caller's, or on v2 beside it",
    async ({ box }) => {
      const [, places] = await made(box, `${box.word}-r/s`);
      for (const name of hierarchies()) expect(places.get(name), name).toBe(join(start(name), `${box.word}-r/s`));
    },
  );

  needs(except({ crun: "starts from the root" }))(
    "without a path, the container's id in the same place",
    async ({ box }) => {
      const [container, places] = await made(box, undefined);
      for (const name of hierarchies()) expect(places.get(name), name).toBe(join(start(name), container.id));
    },
  );
});
