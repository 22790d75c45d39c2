// The systemd driver for a user who is not root: his own systemd makes the scope, below what the machine's has given it. tsrun is
// called from outside of that, where he may move no process himself. In the guest, which has such a user.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, vi } from "vitest";
import { type Json, MOUNTS, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { cgroupsOf } from "./harness/leftovers.ts";
import { type Missing, needs } from "./harness/needs.ts";
import { SYSTEMD_SOCKET } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

// Before the harness is loaded, which reads it once. The wrapper runs what was to be run.
vi.hoisted(() => {
  process.env.CGROUP_DRIVER = "systemd";
  process.env.AS_USER = process.env.RUNTIME || `${import.meta.dirname}/../../dist/tsrun`;
  process.env.RUNTIME = `${import.meta.dirname}/as-tester.sh`;
});

const USER = 1000;
const PLACE = `/user.slice/user-${USER}.slice/user@${USER}.service/user.slice`;
const user: Missing = readFileSync("/etc/passwd", "utf8").includes("\ntester:") ? undefined : "there is no user tester";
const v2: Missing = existsSync("/sys/fs/cgroup/cgroup.controllers") ? undefined : "a user's systemd limits by v2 only";

beforeAll(() => {
  if (user !== undefined || v2 !== undefined || !existsSync(SYSTEMD_SOCKET)) return;
  execFileSync("loginctl", ["enable-linger", "tester"]);
  execFileSync("systemctl", ["start", `user@${USER}.service`]);
});

/** His own id alone, or root of the container a subordinate one. */
const MAPS = {
  "his own id": [{ containerID: 0, hostID: USER, size: 1 }],
  "subordinate ids": [{ containerID: 0, hostID: 100_000, size: 65_536 }],
};

function container(box: Sandbox, map: readonly Json[], ...overrides: readonly Json[]): Container {
  const options = (list: unknown) => (list as string[] | undefined)?.filter((option) => !option.startsWith("gid="));
  const made = box.container(
    {
      mounts: MOUNTS.map((mount) => ({ ...mount, options: options(mount.options) ?? [] })),
      linux: {
        namespaces: ["pid", "network", "ipc", "uts", "mount", "user", "cgroup"].map((type) => ({ type })),
        uidMappings: map,
        gidMappings: map,
        resources: { pids: { limit: 30 }, memory: { limit: 67_108_864 } },
      },
    },
    ...overrides,
  );
  box.makeReachable();
  execFileSync("chown", ["-hR", `${USER}:${USER}`, box.directory]);
  return made;
}

/** A property of a unit of his, as his systemd has it. */
function shown(unit: string, property: string): string {
  const user = [`--reuid=${USER}`, `--regid=${USER}`, "--init-groups", "env", `XDG_RUNTIME_DIR=/run/user/${USER}`];
  const words = [...user, "systemctl", "--user", "show", "--value", "--property", property, unit];
  return execFileSync("setpriv", words, { encoding: "utf8" }).trim();
}

describe("a container of a user with a systemd of his own", () => {
  for (const [name, map] of Object.entries(MAPS)) {
    needs(user, v2)(`and ${name} is a scope of it`, async ({ box }) => {
      const made = container(box, map, sh("grep ^0:: /proc/self/cgroup; echo ready; sleep 1000"));
      expect(await made.runDetached()).toMatchObject({ code: 0, stderr: "" });
      expect(await made.untilOutput("ready")).toBe("0::/\nready\n");
      const unit = `test-${made.id}.scope`;
      const { pid } = await made.state();
      expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toBe(`0::${PLACE}/${unit}\n`);
      expect([shown(unit, "TasksMax"), shown(unit, "MemoryMax"), shown(unit, "Slice")]).toEqual([
        "30",
        "67108864",
        "user.slice",
      ]);
      const limit = () => readFileSync(`/sys/fs/cgroup${PLACE}/${unit}/pids.max`, "utf8");
      expect(limit()).toBe("30\n");
      expect(await made.exec(["grep", "^0::", "/proc/self/cgroup"])).toMatchObject({ stdout: "0::/\n", stderr: "" });
      expect(await box.call(["update", "--pids-limit", "40", made.id])).toMatchObject({ code: 0, stderr: "" });
      expect([limit(), shown(unit, "TasksMax")]).toEqual(["40\n", "40"]);
      expect(await box.call(["pause", made.id])).toMatchObject({ code: 0, stderr: "" });
      expect((await made.state()).status).toBe("paused");
      expect(await made.delete("--force")).toMatchObject({ code: 0, stderr: "" });
      expect(shown(unit, "LoadState")).toBe("not-found");
      expect(cgroupsOf(made.id)).toEqual([]);
    });
  }

  needs(user, v2)("leaves nothing when it cannot be made", async ({ box }) => {
    const made = container(box, MAPS["his own id"], { process: { args: ["/nope"] } });
    expect((await made.create()).code).not.toBe(0);
    expect(shown(`test-${made.id}.scope`, "LoadState")).toBe("not-found");
    expect(cgroupsOf(made.id)).toEqual([]);
  });
});
