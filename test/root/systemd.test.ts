// The systemd driver: that a container is a unit, and what its limits, life and end look like to systemd. The settings, limits
// and updates that cgroupfs is tested for are all tested once more (by importing those tests), and pods, with every call of the runtime by
// --systemd-cgroup.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, vi } from "vitest";
import { cgroupFile, cgroupVersion, readCgroup } from "./harness/cgroup-files.ts";
import { idle, type Json, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { test } from "./harness/fixture.ts";
import { unitsOf } from "./harness/leftovers.ts";
import { except, type Missing, needs } from "./harness/needs.ts";
import { resourceTests } from "./harness/resource-check.ts";
import { SYSTEMD_SOCKET } from "./harness/runtime.ts";

import "./cgroup-v2-limits.test.ts";
import "./limits.test.ts";
import "./pods.test.ts";

// Before the harness is loaded, which reads it once.
vi.hoisted(() => {
  process.env.CGROUP_DRIVER = "systemd";
});

const v2: Missing = cgroupVersion === "v2" ? undefined : "on cgroup v1 systemd takes all that the kernel does";
const TSRUN = except({ runc: "has names and words of its own", crun: "has names and words of its own" });

function systemctl(...args: string[]): string {
  return execFileSync("systemctl", args, { encoding: "utf8" }).trim();
}

function systemdRun(...args: string[]): void {
  execFileSync("systemd-run", ["--quiet", ...args], { stdio: "ignore" });
}

/** A property of a unit, as systemctl shows it. */
function shown(unit: string, property: string): string {
  return systemctl("show", "--value", "--property", property, unit);
}

function unitOf({ id }: Container): string {
  return `test-${id}.scope`;
}

/** Without memory on cgroup v1, which newer kernels can be built without. */
const LIMITS: Json = {
  linux: {
    resources: {
      devices: [{ allow: false, access: "rwm" }],
      ...(cgroupVersion === "v2" && { memory: { limit: 67108864, swap: 100663296, reservation: 33554432 } }),
      cpu: { shares: 512, quota: 12345, period: 50000 },
      pids: { limit: 100 },
    },
  },
};

describe("a container under systemd", () => {
  needs()("is a scope with its first process, in the slice that cgroupsPath says", async ({ box }) => {
    const container = box.container(idle(), { linux: { cgroupsPath: `${box.word.replaceAll("-", "_")}-x.slice:p:n` } });
    const slice = box.word.replaceAll("-", "_");
    await container.create();
    const { pid } = await container.state();
    expect(shown("p-n.scope", "Slice")).toBe(`${slice}-x.slice`);
    expect(shown("p-n.scope", "Delegate")).toBe("yes");
    const place = `/${slice}.slice/${slice}-x.slice/p-n.scope`;
    expect(shown("p-n.scope", "ControlGroup")).toBe(place);
    const hierarchies = cgroupVersion === "v2" ? ["0:"] : ["devices", "freezer", "pids", "name=systemd", "0:"];
    for (const name of hierarchies) expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain(`${name}:${place}\n`);
    expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
    systemctl("stop", `${slice}.slice`);
  });

  needs(TSRUN)("has a unit of its id when there is no cgroupsPath", async ({ box }) => {
    const container = box.container(idle(), { linux: { cgroupsPath: undefined } });
    expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
    expect(shown(`tsrun-${container.id}.scope`, "Description")).toBe(`tsrun container ${container.id}`);
    expect(shown(`tsrun-${container.id}.scope`, "Slice")).toBe("system.slice");
  });

  needs()("goes with its unit, when it is deleted and when it ends", async ({ box }) => {
    const [killed, ended] = [box.container(idle()), box.container(sh("true"))];
    for (const container of [killed, ended]) await container.runDetached();
    expect(shown(unitOf(killed), "ActiveState")).toBe("active");
    await ended.until("stopped");
    expect((await killed.delete("--force")).code).toBe(0);
    expect((await ended.delete()).code).toBe(0);
    expect(unitsOf(box.word)).toEqual([]);
  });

  needs()("has what is executed in it in its scope", async ({ box }) => {
    const container = box.container(idle());
    await container.runDetached();
    const result = await container.exec(["sh", "-c", "cat /proc/self/cgroup"]);
    expect(result.stdout).toContain(`/system.slice/${unitOf(container)}`);
  });

  needs()("has the properties that annotations name", async ({ box }) => {
    const annotations = {
      "org.systemd.property.TimeoutStopUSec": "uint64 7000000",
      "org.systemd.property.CollectMode": "'inactive-or-failed'",
      "org.systemd.property.After": "['sysinit.target']",
      "org.systemd.property.RuntimeMaxSec": "3600",
    };
    const container = box.container(idle(), { annotations });
    expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
    expect(shown(unitOf(container), "TimeoutStopUSec")).toBe("7s");
    expect(shown(unitOf(container), "CollectMode")).toBe("inactive-or-failed");
    expect(shown(unitOf(container), "After")).toContain("sysinit.target");
    expect(shown(unitOf(container), "RuntimeMaxUSec")).toBe("1h");
  });

  const WRONG: readonly [key: string, value: string, message: string][] = [
    ["org.systemd.property.X2", "1", "three or more letters"],
    ["org.systemd.property.KillSignal", "[1", "not a value as GVariant writes it: it ends too early"],
    ["org.systemd.property.NoSuchThing", "true", "Cannot set property NoSuchThing, or unknown property."],
  ];
  for (const [key, value, message] of WRONG) {
    needs(TSRUN)(`fails by name for the annotation ${key}=${value}, and leaves nothing`, async ({ box }) => {
      const container = box.container(idle(), { annotations: { [key]: value } });
      const result = await container.create();
      expect(result.code).toBe(1);
      expect(result.stderr).toContain(message);
      expect(unitsOf(box.word)).toEqual([]);
    });
  }
});

describe("limits under systemd", () => {
  needs()("are properties of the unit", async ({ box }) => {
    const container = box.container(idle(), LIMITS);
    await container.create();
    const ofVersion =
      cgroupVersion === "v1"
        ? { CPUShares: "512" }
        : { MemoryMax: "67108864", MemorySwapMax: "33554432", MemoryLow: "33554432", CPUWeight: "59" };
    const properties = {
      ...ofVersion,
      CPUQuotaPerSecUSec: "250ms",
      CPUQuotaPeriodUSec: "50ms",
      TasksMax: "100",
      DevicePolicy: "strict",
    };
    for (const [name, value] of Object.entries(properties)) expect(shown(unitOf(container), name), name).toBe(value);
    expect(shown(unitOf(container), "DeviceAllow").split("\n")).toContain("/dev/char/1:3 rwm");
  });

  needs()("are still there when systemd has read its files again, and after an update", async ({ box }) => {
    const container = box.container(idle(), LIMITS);
    await container.runDetached();
    const [files, before, after] =
      cgroupVersion === "v1"
        ? [
            ["pids.max", "cpu.shares"],
            ["100", "512"],
            ["33", "1024"],
          ]
        : [
            ["pids.max", "cpu.weight", "memory.max"],
            ["100", "59", "67108864"],
            ["33", "100", "100663296"],
          ];
    const seen = () => files.map((file) => readCgroup(container.id, file));
    systemctl("daemon-reload");
    expect(seen()).toEqual(before);
    const memory = cgroupVersion === "v1" ? [] : ["--memory", "96m", "--memory-swap", "96m"];
    const flags = [...memory, "--pids-limit", "33", "--cpu-share", "1024"];
    expect(await box.call(["update", ...flags, container.id])).toMatchObject({ code: 0, stderr: "" });
    expect(shown(unitOf(container), "TasksMax")).toBe("33");
    systemctl("daemon-reload");
    expect(seen()).toEqual(after);
  });

  needs(v2, TSRUN)("that the unit refuses change nothing", async ({ box }) => {
    const container = box.container(idle(), LIMITS);
    await container.runDetached();
    // The kernel takes the value, systemd does not.
    const change = { unified: { "pids.max": "33", "memory.high": "0" } };
    const result = await box.call(["update", "--resources=-", container.id], { input: JSON.stringify(change) });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("SetUnitProperties: Value specified in MemoryHigh is out of range");
    expect(["pids.max", "memory.high"].map((file) => readCgroup(container.id, file))).toEqual(["100", "max"]);
    expect(shown(unitOf(container), "TasksMax")).toBe("100");
  });

  needs()("of devices are in force beside systemd's", async ({ box }) => {
    const node = { type: "c", major: 1, minor: 200, path: "/dev/none", fileMode: 0o666 };
    const rules = (...more: Json[]): Json => ({
      linux: { devices: [node], resources: { devices: [{ allow: false, access: "rwm" }, ...more] } },
    });
    const script = "true </dev/null && true </dev/none";
    const denied = await box.container(sh(script), rules()).run();
    expect(denied.stderr).toContain("/dev/none: Operation not permitted");
    const allowed = await box
      .container(sh(script), rules({ type: "c", major: 1, minor: 200, allow: true, access: "r" }))
      .run();
    expect(allowed.stderr).toContain("/dev/none: No such device or address");
  });
});

describe("a unit of the name that is there already", () => {
  needs()("is replaced when it only failed", async ({ box }) => {
    const container = box.container(idle());
    const failing = [
      "--quiet",
      "--scope",
      "--unit",
      unitOf(container),
      "--property",
      "RuntimeMaxSec=1ms",
      "sleep",
      "1000",
    ];
    try {
      execFileSync("systemd-run", failing, { stdio: "ignore" });
    } catch {
      // It is killed, which is what makes its scope a failed one.
    }
    await expect.poll(() => shown(unitOf(container), "ActiveState")).toBe("failed"); // when systemd has heard of its end
    expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
    expect(shown(unitOf(container), "ActiveState")).toBe("active");
  });

  needs(TSRUN)("is left alone when it lives, and create fails", async ({ box }) => {
    const [first, second] = [box.container(idle()), box.container(idle())];
    const shared = { linux: { cgroupsPath: `:test:${first.id}` } };
    await first.runDetached();
    second.configure(idle(), shared);
    const result = await second.create();
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`${unitOf(first)}: StartTransientUnit: Unit ${unitOf(first)} was already loaded`);
    expect((await first.state()).status).toBe("running");
    expect(existsSync(cgroupFile(first.id, "pids.max"))).toBe(true);
  });
});

describe("a systemd that does not come to it", () => {
  needs(TSRUN)("is given half a minute, then create fails by unit and job, and leaves neither", async ({ box }) => {
    const slow = `${box.word}-slow.service`;
    systemdRun("--collect", "--unit", slow, "--no-block", "--property", "ExecStartPre=sleep 100", "true");
    box.defer(() => void systemctl("stop", slow));
    const container = box.container(idle(), { annotations: { "org.systemd.property.After": `['${slow}']` } });
    const result = await container.create([], { timeout: 50_000 });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      new RegExp(`systemd unit ${unitOf(container)}: job \\d+ to start it has not ended within 30 seconds`),
    );
    expect(unitsOf(container.id)).toEqual([]);
    expect(systemctl("list-jobs", "--no-legend")).not.toContain(unitOf(container));
  });
});

describe("a create that was killed", () => {
  needs(TSRUN)("does not take another's unit with it when it is deleted", async ({ box }) => {
    const [first, second] = [box.container(idle()), box.container(idle())];
    await first.runDetached();
    await second.create();
    // As it was before the unit was started, with the other's unit in its place.
    const file = box.path(`state/${second.id}/state.json`);
    const state = JSON.parse(readFileSync(file, "utf8"));
    await second.delete("--force");
    mkdirSync(box.path(`state/${second.id}`));
    const { cgroups } = JSON.parse(readFileSync(box.path(`state/${first.id}/state.json`), "utf8"));
    writeFileSync(
      file,
      JSON.stringify({ ...state, phase: "creating", pid: 0, pidStart: 0, cgroups, cgroupsMade: false }),
    );
    expect(await second.delete("--force")).toMatchObject({ code: 0, stderr: "" });
    expect(shown(unitOf(first), "ActiveState")).toBe("active");
    expect((await first.state()).status).toBe("running");
  });
});

describe("without systemd", () => {
  test("a container by --systemd-cgroup fails, and leaves nothing", async ({ box, skip }) => {
    if (existsSync(SYSTEMD_SOCKET)) skip("systemd runs here");
    if (TSRUN !== undefined) skip(TSRUN);
    const result = await box.container(idle()).create();
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("cannot reach systemd: the system bus answers ENOENT");
  });

  test("a cgroupsPath that names no unit is refused by name", async ({ box, skip }) => {
    if (TSRUN !== undefined) skip(TSRUN);
    for (const cgroupsPath of ["/a/b", "a:b", "a.slice:b:", "x-.slice:a:b", "no:a:b"]) {
      const result = await box.container(idle(), { linux: { cgroupsPath } }).create();
      expect(result.code).toBe(1);
      expect(result.stderr).toContain("linux.cgroupsPath: ");
    }
  });
});

// systemd hands on the controllers of cgroup v2 that it knows, tsrun the others. User Mode Linux has few: [qemu].
describe("every setting under systemd [qemu]", () => resourceTests());
