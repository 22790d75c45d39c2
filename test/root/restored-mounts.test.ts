// The mounts of a restored container that are not its own: where their sources are closed to its root, and how they take part
// in what the host mounts, mount_namespaces(7).

import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { type Json, linux, mounts } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { checkpoint, counting, criu, mapped, pause, restore, SLOW } from "./harness/criu.ts";
import { except, needs } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const ofTsrun = except({ runc: "refuses output in a file", crun: "too" });

describe("the mounts of a restored container [qemu]", { timeout: 120_000 }, () => {
  needs(...criu, ofTsrun)("are of sources that its own root has no way to, in a user namespace", async ({ box }) => {
    const closed = box.makeDirectory("closed");
    mkdirSync(`${closed}/volume`);
    for (const file of ["volume/in", "file"]) writeFileSync(`${closed}/${file}`, `${file}\n`);
    chmodSync(closed, 0o700);
    const bind = (source: string, destination: string, ...options: string[]): Json => ({
      ...{ type: "bind", source: `${closed}/${source}`, destination },
      options: ["bind", "rprivate", ...options],
    });
    const binds = mounts(bind("volume", "/v", "nosuid"), bind("file", "/etc/file", "ro"));
    const container = mapped(box, binds);
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    await container.untilOutput("1\n");
    const plain = readFileSync(`${container.bundle}/config.json`, "utf8");
    const hooks = { createRuntime: [{ path: "/bin/false" }] };
    container.writeConfig(JSON.stringify({ ...JSON.parse(plain), hooks }));
    expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container)).toMatchObject({ code: 1, stderr: expect.stringContaining("createRuntime") });
    expect([readdirSync(box.root).includes(container.id), mountsOfHost(box)]).toEqual([false, []]);
    container.writeConfig(plain);
    expect(await restore(box, container)).toMatchObject({ code: 0 });
    expect(mountsOfHost(box)).toEqual([]);
    const inside = await container.exec(["sh", "-c", "cat /v/in /etc/file; cat /proc/self/mountinfo"]);
    expect(inside.stdout).toMatch(/^volume\/in\nfile\n/);
    expect(inside.stdout).toMatch(/\/closed\/volume \/v rw,nosuid/);
    expect(inside.stdout).toMatch(/\/closed\/file \/etc\/file ro/);
    writeFileSync(`${closed}/volume/later`, "later\n");
    expect((await container.exec(["cat", "/v/later"])).stdout).toBe("later\n");
    expect(statSync(closed).mode & 0o777).toBe(0o700);
  });

  needs(...criu, ofTsrun)(
    "have with them what is mounted below their sources, in a user namespace",
    async ({ box }) => {
      const host = await mountNamespace(box, "shared");
      const source = box.makeDirectory("volume");
      mkdirSync(`${source}/below`);
      const onHost = (...command: string[]) => execFileSync("nsenter", [...host.slice(1), ...command]);
      onHost("mount", "-t", "tmpfs", "below", `${source}/below`);
      onHost("cp", "/proc/self/comm", `${source}/below/file`);
      const container = mapped(box, mounts({ type: "bind", source, destination: "/v", options: ["rbind"] }));
      expect(await container.runDetached([], { under: host })).toMatchObject({ code: 0, stderr: "" });
      await container.untilOutput("1\n");
      const before = slaves(await mountsOf(container));
      expect(before).toEqual(["/", "/v", "/v/below"]);
      await moved(box, container, [host, host]);
      expect(slaves(await mountsOf(container))).toEqual(before);
      expect((await container.exec(["cat", "/v/below/file"])).stdout).toBe("cp\n");
    },
  );

  for (const [what, make] of [
    ["slaves", (box: Sandbox, ...more: Json[]) => box.container(counting(), ...more)],
    ["slaves, in a user namespace", mapped],
  ] as const)
    needs(...criu, ofTsrun)(`are ${what} of the host's again, a volume's and the root's alike`, async ({ box }) => {
      const host = await mountNamespace(box, "shared");
      const source = box.makeDirectory("volume");
      mkdirSync(`${source}/later`);
      const volume = mounts({ type: "bind", source, destination: "/v", options: ["bind"] });
      const container = make(box, volume, linux({ readonlyPaths: ["/etc"] }));
      expect(await container.runDetached([], { under: host })).toMatchObject({ code: 0, stderr: "" });
      await container.untilOutput("1\n");
      const before = slaves(await mountsOf(container));
      expect(before).toEqual(["/", "/v", "/etc"]);
      await moved(box, container, [host, host]);
      expect(slaves(await mountsOf(container)).sort()).toEqual([...before].sort());
      execFileSync("nsenter", [...host.slice(1), "mount", "-t", "tmpfs", "later", `${source}/later`]);
      expect(await mountsOf(container)).toMatch(/ \/v\/later /);
    });

  needs(...criu, ofTsrun)("are private on a host whose mounts are, wherever they come from", async ({ box }) => {
    const there = await mountNamespace(box, "shared");
    const here = await mountNamespace(box, "private");
    const source = box.makeDirectory("volume");
    const container = box.container(counting(), mounts({ type: "bind", source, destination: "/v", options: ["bind"] }));
    expect(await container.runDetached([], { under: there })).toMatchObject({ code: 0, stderr: "" });
    await container.untilOutput("1\n");
    expect(slaves(await mountsOf(container))).toEqual(["/", "/v"]);
    await moved(box, container, [there, here]);
    expect(slaves(await mountsOf(container))).toEqual([]);
    expect(await mountsOf(container)).toMatch(/\/volume \/v rw/);
  });
});

/** What to call a program under, for it to see mounts of its own, all of a kind, and nothing of theirs to come out. */
async function mountNamespace(box: Sandbox, propagation: "shared" | "private"): Promise<string[]> {
  const script = `mount --make-r${propagation} / && exec sleep 1000`;
  const flags = ["--mount", "--propagation", "private", "sh", "-c", script];
  const holder = spawn("unshare", flags, { stdio: "ignore" });
  box.defer(() => void holder.kill("SIGKILL"));
  while (readFileSync(`/proc/${holder.pid}/comm`, "utf8") !== "sleep\n") await pause();
  return ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`];
}

/** What of the test's own is mounted on the host. */
function mountsOfHost({ word }: Sandbox): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(word));
}

/** The mountinfo of its process. */
async function mountsOf(container: Container): Promise<string> {
  return readFileSync(`/proc/${(await container.state()).pid}/mountinfo`, "utf8");
}

/** Where mounts of a mountinfo are that are slaves, but for single files. */
function slaves(mountinfo: string): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [, , , , place = ""] = line.split(" ");
    return / master:\d+ /.test(line) && !line.includes(" devtmpfs ") ? [place] : [];
  });
}

/** Checkpoints and restores it, the one and the other in a mount namespace. */
async function moved(
  box: Sandbox,
  { id, bundle }: Container,
  [from, to]: readonly [readonly string[], readonly string[]] = [[], []],
): Promise<void> {
  const images = ["--image-path", box.path("images")];
  const dump = ["checkpoint", ...images, id];
  expect(await box.call(dump, { ...SLOW, under: from })).toMatchObject({ code: 0, stderr: "" });
  const restore = ["restore", "--detach", "--bundle", bundle, ...images, id];
  expect(await box.callDetached(restore, box.path("moved"), { ...SLOW, under: to })).toMatchObject({
    code: 0,
    stderr: "",
  });
}
