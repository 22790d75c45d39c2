// update: limits of a container that runs, by flags, by file and by standard input; all of a change or nothing.

import { readFileSync, writeFileSync } from "node:fs";
import { execa } from "execa";
import { describe, expect } from "vitest";
import { idle, type Json, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { except, kernelFile, needs, type Peers } from "./harness/needs.ts";
import { commandWords } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const v1 = kernelFile("/sys/fs/cgroup/memory/tasks");
const memsw = kernelFile("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");

const START: Json = {
  linux: {
    resources: {
      devices: [{ allow: false, access: "rwm" }],
      memory: { limit: 67108864, reservation: 33554432 },
      cpu: { shares: 512, quota: 50000, period: 100000 },
      pids: { limit: 100 },
    },
  },
};

const MIB = 1048576;

/** What the kernel has for a container. */
function limitOf({ id }: Container, file: string): string {
  const controller = file.split(".")[0];
  return readFileSync(`/sys/fs/cgroup/${controller}/${id}/${file}`, "utf8").trim();
}

/** A pipe, as callers have it, in the place of Node's socket, which cannot be opened by a name. */
const PIPED = ["sh", "-c", 'cat | "$@"', "sh"];

function update(box: Sandbox, { id }: Container, args: readonly string[], input?: string) {
  return box.call(["update", ...args, id], input === undefined ? {} : { input, under: PIPED });
}

async function running(box: Sandbox): Promise<Container> {
  const container = box.container(idle(), START);
  expect(await container.runDetached()).toMatchObject({ code: 0 });
  return container;
}

interface Case {
  readonly flags: readonly string[];
  /** The same as JSON. */
  readonly json?: Json;
  readonly values: Readonly<Record<string, string>>;
  readonly peers?: Peers;
}

const UNITS: Peers = { crun: "takes numbers without a unit only" };
const MINUS: Peers = { crun: "1.8 writes a number without a sign" };

const CASES: readonly Case[] = [
  {
    flags: ["--memory", "96m"],
    json: { memory: { limit: 96 * MIB } },
    values: {
      "memory.limit_in_bytes": String(96 * MIB),
      "memory.soft_limit_in_bytes": "33554432",
      "cpu.shares": "512",
      "pids.max": "100",
    },
    peers: UNITS,
  },
  {
    flags: ["--memory=-1"],
    json: { memory: { limit: -1 } },
    values: { "memory.limit_in_bytes": "9223372036854771712" },
  },
  {
    flags: ["--memory-reservation", "16MiB"],
    values: { "memory.soft_limit_in_bytes": String(16 * MIB) },
    peers: UNITS,
  },
  {
    flags: ["--cpu-share", "100"],
    json: { cpu: { shares: 100 } },
    values: { "cpu.shares": "100", "cpu.cfs_quota_us": "50000" },
  },
  {
    flags: ["--cpu-quota", "20000"],
    json: { cpu: { quota: 20000 } },
    values: { "cpu.cfs_quota_us": "20000", "cpu.cfs_period_us": "100000" },
  },
  {
    flags: ["--cpu-period", "200000"],
    json: { cpu: { period: 200000 } },
    values: { "cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "200000" },
  },
  { flags: ["--cpu-quota", "-1"], values: { "cpu.cfs_quota_us": "-1" }, peers: MINUS },
  { flags: ["--cpuset-cpus", "0", "--cpuset-mems", "0"], values: { "cpuset.cpus": "0", "cpuset.mems": "0" } },
  { flags: ["--pids-limit", "33"], json: { pids: { limit: 33 } }, values: { "pids.max": "33" } },
  { flags: ["--pids-limit", "-1"], json: { pids: { limit: -1 } }, values: { "pids.max": "max" }, peers: MINUS },
];

describe("update changes what it is told and leaves the rest", () => {
  for (const { flags, json, values, peers = {} } of CASES) {
    needs(v1, except(peers))(flags.join(" "), async ({ box }) => {
      const container = await running(box);
      expect(await update(box, container, flags)).toMatchObject({ code: 0, stdout: "", stderr: "" });
      for (const [file, value] of Object.entries(values)) expect(limitOf(container, file), file).toBe(value);
      if (json === undefined) return;
      const other = await running(box);
      // As containerd sends it; other flags do not count then.
      const result = await update(box, other, ["--resources=-", "--pids-limit", "7"], JSON.stringify(json));
      expect(result).toMatchObject({ code: 0, stderr: "" });
      for (const [file, value] of Object.entries(values)) expect(limitOf(other, file), file).toBe(value);
    });
  }

  needs(
    v1,
    memsw,
    except(UNITS),
  )("memory and swap, up and down", async ({ box }) => {
    const container = await running(box);
    for (const [memory, swap] of [
      [128, 256],
      [32, 48],
      [512, 512],
    ] as const) {
      const flags = ["--memory", `${memory}m`, "--memory-swap", `${swap}m`];
      expect(await update(box, container, flags)).toMatchObject({ code: 0, stderr: "" });
      expect(limitOf(container, "memory.limit_in_bytes")).toBe(String(memory * MIB));
      expect(limitOf(container, "memory.memsw.limit_in_bytes")).toBe(String(swap * MIB));
    }
  });

  needs(v1)("a file, a created and a paused container", async ({ box }) => {
    const container = box.container(idle(), START);
    await container.create();
    writeFileSync(box.path("r.json"), JSON.stringify({ pids: { limit: 12 }, cpu: { shares: 300 } }));
    expect(await update(box, container, ["-r", box.path("r.json")])).toMatchObject({ code: 0, stderr: "" });
    expect([limitOf(container, "pids.max"), limitOf(container, "cpu.shares")]).toEqual(["12", "300"]);
    await container.start();
    await box.call(["pause", container.id]);
    expect(await update(box, container, ["--pids-limit", "13"])).toMatchObject({ code: 0, stderr: "" });
    expect((await container.state()).status).toBe("paused");
    expect(limitOf(container, "pids.max")).toBe("13");
  });

  needs(v1, except({ crun: "1.8 does it" }))("what it says about devices is not done", async ({ box }) => {
    const container = await running(box);
    const before = limitOf(container, "devices.list");
    const change = { devices: [{ allow: true, access: "rwm" }], pids: { limit: 9 } };
    expect(await update(box, container, ["--resources", "-"], JSON.stringify(change))).toMatchObject({ code: 0 });
    expect([limitOf(container, "devices.list"), limitOf(container, "pids.max")]).toEqual([before, "9"]);
  });
});

describe("an update that cannot be", () => {
  needs(
    v1,
    memsw,
    except({ runc: "leaves the higher memory limit" }),
  )("changes nothing: what it had changed already is set back", async ({ box }) => {
    const container = await running(box);
    const flags = ["--pids-limit", "50", "--memory", "80m", "--memory-swap", "40m", "--cpu-share", "99"];
    const result = await update(box, container, flags);
    expect(result.code).toBe(1);
    const files = ["pids.max", "memory.limit_in_bytes", "cpu.shares"];
    expect(files.map((file) => limitOf(container, file))).toEqual(["100", "67108864", "512"]);
  });

  needs(v1, except({ runc: "its order is another", crun: "has words of its own" }))(
    "says why, and sets back in the order that the kernel takes",
    async ({ box }) => {
      const container = await running(box);
      // No host has that processor, and by then all of the others are written.
      const change = { pids: { limit: 5 }, cpu: { quota: 30000, period: 60000, cpus: "4095" } };
      const result = await update(box, container, ["--resources=-"], JSON.stringify(change));
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(
        /linux\.resources\.cpu\.cpus: write .*cpuset\.cpus \\"4095\\": (EINVAL|ENODEV|ERANGE|EACCES)/,
      );
      const files = ["pids.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"];
      expect(files.map((file) => limitOf(container, file))).toEqual(["100", "50000", "100000"]);
    },
  );

  const WRONG: readonly (readonly [args: string[], words: RegExp, input?: string])[] = [
    [["--memory", "10q"], /invalid value for memory: invalid size: '10q'/],
    [["--cpu-share", "x"], /invalid value for cpu-share/],
    [["--l3-cache-schema", "L3:0=f"], /Intel RDT\/CAT: l3 cache schema is not enabled/],
    [["--mem-bw-schema", "MB:0=50"], /Intel RDT\/MBA: memory bandwidth schema is not enabled/],
    [["--resources", "/nonexistent"], /no such file or directory|not found/],
    [["--resources=-"], /json|JSON|character|EOF/, "{"],
  ];
  for (const [args, words, input] of WRONG)
    needs(v1, except({ crun: "has words of its own" }))(`is told: ${args.join(" ")}`, async ({ box }) => {
      const container = await running(box);
      const result = await update(box, container, args, input);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(words);
      expect(limitOf(container, "cpu.shares")).toBe("512");
    });

  needs(v1, except({ crun: "has words of its own" }))(
    "of a stopped container is an error, and of none",
    async ({ box }) => {
      const container = box.container(idle());
      expect((await update(box, container, ["--pids-limit", "5"])).stderr).toContain("does not exist");
      await container.runDetached();
      await container.kill("KILL");
      await container.until("stopped");
      const result = await update(box, container, ["--pids-limit", "5"]);
      expect(result.code).toBe(1);
      expect(result.stderr).toContain("container not running");
    },
  );
});

describe("update under load", () => {
  needs(v1, except({ crun: "takes numbers without a unit only" }))(
    "1,000 updates of a busy container: no error, and the last value in force",
    async ({ box }) => {
      const container = box.container(sh("while :; do :; done & while :; do true; true & wait $!; done"), START);
      await container.runDetached();
      const [program, ...words] = commandWords();
      const script = `i=1; while [ $i -le 1000 ]; do
        "$@" update --memory $((64 + i % 64))m --cpu-quota $((20000 + i)) --pids-limit $((100 + i)) ${container.id} || exit 1
        i=$((i + 1)); done`;
      const args = ["-c", script, "sh", program, ...words, "--root", box.root];
      expect(await execa("sh", args, { reject: false })).toMatchObject({ exitCode: 0, stderr: "" });
      expect(limitOf(container, "pids.max")).toBe("1100");
      expect(limitOf(container, "cpu.cfs_quota_us")).toBe("21000");
      expect(limitOf(container, "memory.limit_in_bytes")).toBe(String((64 + (1000 % 64)) * MIB));
      expect((await container.state()).status).toBe("running");
    },
  );
});
