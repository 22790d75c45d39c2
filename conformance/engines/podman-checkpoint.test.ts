// Podman's checkpoints on the runtime: in its storage, in an archive that another container is made of, over several rounds.
// [qemu]: CRIU, and a kernel for it, are in the guest under QEMU.

import { existsSync, statSync } from "node:fs";
import { expect, vi } from "vitest";
import { criu, memoryTracking, pause } from "../../test/root/harness/criu.ts";
import { type Missing, needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { COUNT, untilBeyond } from "./counting.ts";
import {
  cgroupDriver,
  cgroupParent,
  client,
  removeIfNew,
  removeParentCgroups,
  rootfsTar,
  runtimeProgram,
} from "./engine.ts";

const LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

// An emulated machine is slow.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

/** What is in the storage of a Podman, with a container `c` that counts. */
async function started(box: Sandbox, flags: readonly string[] = [], script = COUNT) {
  removeIfNew(box, "/dev/shm/libpod_lock", "/run/libpod", "/run/containers", "/var/lib/containers");
  removeParentCgroups(box);
  const call = client(box, "podman", [
    ...["--root", box.path("storage"), "--runroot", box.path("run"), "--tmpdir", box.path("tmp")],
    ...["--storage-driver", "vfs", "--events-backend", "none", "--cgroup-manager", cgroupDriver],
    ...["--runtime", runtimeProgram(box)],
  ]);
  expect(await call("import", rootfsTar(box), "busybox")).toMatchObject({ code: 0 });
  const where = ["--network=none", `--cgroup-parent=${cgroupParent(box)}`, "--log-driver", "k8s-file", ...LIMITS];
  box.defer(async () => void (await call("rm", "--all", "--force", "--time=0")));
  const run = await call("run", "--detach", "--name", "c", ...where, ...flags, "busybox", "sh", "-c", script);
  expect(run).toMatchObject({ code: 0, stderr: "" });
  const last = async (name: string) => Number((await call("logs", "--tail", "1", name)).stdout);
  const status = async (name: string) => (await call("inspect", "--format", "{{.State.Status}}", name)).stdout.trim();
  /** Waits until it has counted on from a number. */
  const beyond = (name: string, number: number) => untilBeyond(number, () => last(name));
  await beyond("c", 2);
  return { call, last, status, beyond };
}

const needsAll = (...more: readonly Missing[]) => needs(...criu, program("podman"), program("conmon"), ...more);

needsAll()("podman: checkpoint and restore [qemu]", async ({ box }) => {
  const { call, last, status, beyond } = await started(box);
  expect(await call("container", "checkpoint", "--keep", "c")).toMatchObject({ code: 0, stderr: "" });
  expect(await status("c")).toBe("exited");
  const before = await last("c");
  expect(await call("container", "restore", "--keep", "c")).toMatchObject({ code: 0, stderr: "" });
  await beyond("c", before + 2);
  const logs = (await call("logs", "c")).stdout.trim().split("\n");
  expect(logs.indexOf(String(before + 1)), "nothing is counted again").toBe(before);
  expect((await call("exec", "c", "cat", "/proc/1/comm")).stdout).toBe("sh\n");
  const directory = (await call("inspect", "--format", "{{.OCIConfigPath}}", "c")).stdout
    .trim()
    .replace("config.json", "");
  expect([existsSync(`${directory}dump.log`), existsSync(`${directory}restore.log`)]).toEqual([true, true]);
  expect((await call("stop", "--time=1", "c")).code).toBe(0);
});

needsAll()("podman: checkpoint and restore, with a user namespace [qemu]", async ({ box }) => {
  box.makeReachable();
  const flags = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536", "--volume"];
  const { call, last, beyond } = await started(box, [...flags, `${box.makeDirectory("volume")}:/volume`]);
  expect(await call("container", "checkpoint", "c")).toMatchObject({ code: 0, stderr: "" });
  const before = await last("c");
  expect(await call("container", "restore", "c")).toMatchObject({ code: 0, stderr: "" });
  await beyond("c", before + 2);
  const seen = await call("exec", "c", "sh", "-c", "cat /proc/self/uid_map; ls /volume; grep -c c /etc/hosts");
  expect(seen.stdout).toMatch(/^\s*0\s+100000\s+65536\n[1-9]\d*\n$/);
});

needsAll()("podman: checkpoint --leave-running --export, restore --import --name [qemu]", async ({ box }) => {
  const { call, last, status, beyond } = await started(box, ["--volume", `${box.makeDirectory("volume")}:/volume`]);
  const archive = box.path("c.tar.gz");
  const flags = ["--leave-running", "--export", archive, "--ignore-volumes"];
  expect(await call("container", "checkpoint", ...flags, "c")).toMatchObject({ code: 0, stderr: "" });
  expect(await status("c")).toBe("running");
  expect(statSync(archive).size).toBeGreaterThan(0);
  const imported = ["--import", archive, "--name", "d", "--ignore-volumes"];
  expect(await call("container", "restore", ...imported)).toMatchObject({ code: 0, stderr: "" });
  expect([await status("c"), await status("d")]).toEqual(["running", "running"]);
  // The archive has the log of c, too, which had run on when that was copied.
  await beyond("d", (await last("d")) + 2);
  expect((await call("exec", "d", "ls", "/volume")).stdout).toBe("");
});

needsAll(memoryTracking())("podman: checkpoint --pre-checkpoint, then --with-previous [qemu]", async ({ box }) => {
  const { call, last, status, beyond } = await started(box);
  const [ahead, rest] = [box.path("ahead.tar"), box.path("rest.tar")];
  const before = ["--pre-checkpoint", "--export", ahead, "--compress=none"];
  expect(await call("container", "checkpoint", ...before, "c")).toMatchObject({ code: 0, stderr: "" });
  expect(await status("c")).toBe("running");
  const after = ["--with-previous", "--export", rest, "--compress=none"];
  expect(await call("container", "checkpoint", ...after, "c")).toMatchObject({ code: 0, stderr: "" });
  const number = await last("c");
  expect((await call("rm", "c")).code).toBe(0);
  const both = ["--import-previous", ahead, "--import", rest];
  expect(await call("container", "restore", ...both)).toMatchObject({ code: 0, stderr: "" });
  await beyond("c", number);
});

needsAll()("podman: checkpoint --tcp-established [qemu]", async ({ box }) => {
  const talk = [
    "nc -l -p 5000 -e sh -c 'cat >/got' &",
    "until nc 127.0.0.1 5000 -e sh -c 'while :; do echo x; sleep 0.1; done'; do sleep 0.1; done &",
  ];
  const { call, status } = await started(box, [], [...talk, COUNT].join(" "));
  const got = async () => Number((await call("exec", "c", "sh", "-c", "wc -c </got")).stdout);
  while (!((await got()) > 0)) await pause(100);
  const refused = await call("container", "checkpoint", "c");
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain("tcp-established");
  expect(await status("c")).toBe("running");
  expect(await call("container", "checkpoint", "--tcp-established", "c")).toMatchObject({ code: 0, stderr: "" });
  expect(await call("container", "restore", "--tcp-established", "c")).toMatchObject({ code: 0, stderr: "" });
  const first = await got();
  expect(first).toBeGreaterThan(0);
  while ((await got()) <= first) await pause(100);
});
