// linux.intelRdt on a stand-in for resctrl: harness/resctrl.

import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { idle, type Json, linux, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { needs } from "./harness/needs.ts";
import { RESCTRL, TestResctrl } from "./harness/resctrl/resctrl.ts";
import { type Result, runtimeKind } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

interface Made {
  readonly rdt: TestResctrl;
  readonly container: Container;
  readonly result: Result;
}

const intelRdt = (fields: Json): Json => linux({ intelRdt: fields });

/** Creates a container, on a stand-in that something may be done to before. */
async function created(box: Sandbox, fields: Json, before?: (rdt: TestResctrl) => void): Promise<Made> {
  const rdt = await TestResctrl.mount(box);
  before?.(rdt);
  const container = box.container(idle(), intelRdt(fields));
  return { rdt, container, result: await container.create([], rdt.options) };
}

function lines(text: string): string[] {
  return text.split("\n").map((line) => line.trim());
}

/** A class that is there before the container, as an administrator makes it. */
function prepared(rdt: TestResctrl, name: string, schemata?: string): void {
  mkdirSync(join(rdt.root, name));
  if (schemata !== undefined) rdt.write(`${name}/schemata`, schemata);
}

describe("a container without a closID", () => {
  needs(...RESCTRL)("has a class of its own, is in it, and takes it along", async ({ box }) => {
    const fields = { l3CacheSchema: "L3:0=7f0;1=1f", memBwSchema: "MB:0=20;1=70" };
    const { rdt, container, result } = await created(box, fields);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(lines(rdt.read(`${container.id}/schemata`))).toEqual(["MB:0= 20;1= 70", "L3:0=7f0;1=01f", ""]);
    expect(rdt.read(`${container.id}/tasks`)).toBe(`${(await container.state()).pid}\n`);
    expect(rdt.monitors(container.id)).toEqual([]);
    expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
    expect(rdt.classes()).toEqual([]);
  });

  needs(...RESCTRL)("needs no schemata", async ({ box }) => {
    const { rdt, container, result } = await created(box, {});
    expect(result).toMatchObject({ code: 0 });
    expect(rdt.classes()).toEqual([container.id]);
  });

  needs(...RESCTRL)("does not take a class over that is there", async ({ box }) => {
    const rdt = await TestResctrl.mount(box);
    const container = box.container(idle(), intelRdt({}));
    prepared(rdt, container.id);
    expect((await container.create([], rdt.options)).stderr).toMatch(/intelRdt: .* is there already/);
    await container.delete("--force");
    expect(rdt.classes()).toEqual([container.id]);
  });

  needs(...RESCTRL)(
    "of which the create was killed before there was a class leaves other people's in peace",
    async ({ box }) => {
      const rdt = await TestResctrl.mount(box);
      const container = box.container(idle(), intelRdt({}));
      expect((await container.create([], rdt.killedMaking(container.id))).signal).toBe("SIGKILL");
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
      prepared(rdt, container.id);
      // It is refused before there is a state that calls the class its own.
      await container.create([], rdt.killedMaking(container.id));
      await container.delete("--force");
      expect(rdt.classes()).toEqual([container.id]);
    },
  );

  needs(...RESCTRL)("does not take what resctrl has for a class", async ({ box }) => {
    const rdt = await TestResctrl.mount(box);
    const { bundle } = box.container(idle(), intelRdt({}));
    const result = await box.call(["create", "--bundle", bundle, "info"], rdt.options);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/info is there already/) });
  });
});

describe("schemata", () => {
  needs(...RESCTRL)("are written after the older fields, and are the last word", async ({ box }) => {
    const { rdt, container } = await created(box, {
      l3CacheSchema: "MB:0=50;1=50\nL3:0=f;1=f",
      memBwSchema: "MB:0=30",
      schemata: ["L3:1=3", "MB:1=40"],
    });
    // The MB line of l3CacheSchema gives way to memBwSchema.
    expect(lines(rdt.read(`${container.id}/schemata`))).toEqual(["MB:0= 30;1= 40", "L3:0=00f;1=003", ""]);
  });

  const refused: readonly (readonly [fields: Json, words: RegExp])[] = [
    [{ l3CacheSchema: "L3:0=70f" }, /linux\.intelRdt\.l3CacheSchema: EINVAL.*schemata': .*70f has non-consecutive/],
    [{ memBwSchema: "MB:0=5" }, /linux\.intelRdt\.memBwSchema: EINVAL.*: MB value 5 out of range/],
    [{ l3CacheSchema: "L3:0=1", memBwSchema: "MB:9=10" }, /linux\.intelRdt\.l3CacheSchema, memBwSchema: EINVAL/],
    [{ l3CacheSchema: "L3:0=1", schemata: ["L2:0=1"] }, /schemata: EINVAL.*Unknown or unsupported resource name 'L2'/],
  ];
  for (const [fields, words] of refused)
    for (const closID of [undefined, "shared"])
      needs(...RESCTRL)(
        `${JSON.stringify({ ...fields, closID })} is refused in the kernel's words`,
        async ({ box }) => {
          const asked = { ...fields, enableMonitoring: true, ...(closID && { closID }) };
          const { rdt, container, result } = await created(box, asked);
          expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(words) });
          expect(rdt.classes()).toEqual([]);
          await expect(container.state()).rejects.toThrow("does not exist");
        },
      );

  needs(...RESCTRL)("of one class too many are refused, as the kernel counts them", async ({ box }) => {
    const { result } = await created(box, {}, (rdt) => ["a", "b", "c"].forEach((name) => void prepared(rdt, name)));
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/intelRdt: ENOSPC.*: Out of CLOSIDs/) });
  });
});

describe("closID", () => {
  needs(...RESCTRL)("with schemata makes a class, which stays", async ({ box }) => {
    const { rdt, container, result } = await created(box, { closID: "shared", l3CacheSchema: "L3:0=f" });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(lines(rdt.read("shared/schemata"))[1]).toBe("L3:0=00f;1=7ff");
    await container.delete("--force");
    expect(rdt.classes()).toEqual(["shared"]);
  });

  needs(...RESCTRL)(
    "of a class that is there joins it if it allows what is asked, however it is written",
    async ({ box }) => {
      const asked = { closID: "gold", l3CacheSchema: "L3:1=1F ;0=0f", schemata: ["MB:0=020"] };
      const { rdt, container, result } = await created(box, asked, (fs) =>
        prepared(fs, "gold", "L3:0=f;1=1f\nMB:0=20\n"),
      );
      expect(result).toMatchObject({ code: 0, stderr: "" });
      expect(rdt.read("gold/tasks")).toBe(`${(await container.state()).pid}\n`);
      await container.delete("--force");
      expect(rdt.classes()).toEqual(["gold"]);
    },
  );

  for (const asked of [{ l3CacheSchema: "L3:0=1f" }, { schemata: ["L3:0=1f"] }, { schemata: ["L2:0=f"] }])
    needs(...RESCTRL)(
      `of a class that is there and allows other than ${JSON.stringify(asked)} is refused`,
      async ({ box }) => {
        const { rdt, result } = await created(box, { closID: "gold", ...asked }, (fs) =>
          prepared(fs, "gold", "L3:0=f\n"),
        );
        expect(result).toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/gold is there already, and has not L/),
        });
        expect(lines(rdt.read("gold/schemata"))[1]).toBe("L3:0=00f;1=7ff");
        expect(rdt.classes()).toEqual(["gold"]);
      },
    );

  needs(...RESCTRL)("alone names a class that must be there", async ({ box }) => {
    const { rdt, result } = await created(box, { closID: "gold" });
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/intelRdt\.closID: there is no .*gold/) });
    prepared(rdt, "gold");
    const container = box.container(idle(), intelRdt({ closID: "gold" }));
    expect(await container.create([], rdt.options)).toMatchObject({ code: 0, stderr: "" });
    expect(rdt.read("gold/tasks")).toBe(`${(await container.state()).pid}\n`);
  });

  needs(...RESCTRL)(
    "that another create makes at the same moment is joined, once that one has written to it",
    async ({ box }) => {
      const rdt = await TestResctrl.mount(box);
      const container = box.container(idle(), intelRdt({ closID: "shared", l3CacheSchema: "L3:0=f" }));
      const other = rdt.withRival("shared", "L3:0=f\n");
      expect(await container.create([], other)).toMatchObject({ code: 0, stderr: "" });
      expect(rdt.read("shared/tasks")).toBe(`${(await container.state()).pid}\n`);
    },
  );

  for (const closID of ["info", "mon_groups", "schemata"])
    needs(...RESCTRL)(`${closID} is no class`, async ({ box }) => {
      const { result } = await created(box, { closID, l3CacheSchema: "L3:0=f" });
      expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/intelRdt\.closID: .* is no class/) });
    });

  needs(...RESCTRL)("/ is the root class, of which nothing is removed", async ({ box }) => {
    const { rdt, container, result } = await created(box, { closID: "/", enableMonitoring: true });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    const task = `${(await container.state()).pid}\n`;
    expect(rdt.read("tasks")).toBe(task);
    expect(rdt.read(`mon_groups/${container.id}/tasks`)).toBe(task);
    expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
    expect(rdt.monitors()).toEqual([]);
    expect(rdt.exists("tasks")).toBe(true);
  });

  for (const closID of [".", "..", "a/b", "/a", "../x"])
    needs(...RESCTRL)(`${closID} is refused`, async ({ box }) => {
      const { rdt, result } = await created(box, { closID, l3CacheSchema: "L3:0=f" });
      expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/\/linux\/intelRdt\/closID/) });
      expect(rdt.classes()).toEqual([]);
    });

  needs(...RESCTRL)(
    "of a create that fails later: the new class goes, unless others are in it by then",
    async ({ box }) => {
      const rdt = await TestResctrl.mount(box);
      const asked = intelRdt({ closID: "shared", l3CacheSchema: "L3:0=f", enableMonitoring: true });
      const fails = (script: string): Json => ({
        hooks: { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", script] }] },
      });
      expect((await box.container(asked, fails("exit 1")).create([], rdt.options)).code).toBe(1);
      expect(rdt.classes()).toEqual([]);
      const join = `echo ${process.pid} >'${rdt.root}/shared/tasks'; exit 1`;
      expect((await box.container(asked, fails(join)).create([], rdt.options)).code).toBe(1);
      expect(rdt.read("shared/tasks")).toBe(`${process.pid}\n`);
      expect(rdt.monitors("shared")).toEqual([]);
    },
  );
});

describe("monitoring", () => {
  needs(...RESCTRL)("has a group of the container's own, which goes with it", async ({ box }) => {
    const asked = { closID: "gold", enableMonitoring: true };
    const { rdt, container, result } = await created(box, asked, (fs) => prepared(fs, "gold"));
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(rdt.read(`gold/mon_groups/${container.id}/tasks`)).toBe(`${(await container.state()).pid}\n`);
    await container.delete("--force");
    expect(rdt.monitors("gold")).toEqual([]);
    expect(rdt.classes()).toEqual(["gold"]);
  });

  needs(...RESCTRL)("that cannot be had is an error that leaves nothing", async ({ box }) => {
    const rdt = await TestResctrl.mount(box);
    prepared(rdt, "gold");
    const container = box.container(idle(), intelRdt({ closID: "gold", enableMonitoring: true }));
    mkdirSync(join(rdt.root, "gold/mon_groups", container.id));
    const { stderr } = await container.create([], rdt.options);
    expect(stderr).toMatch(/intelRdt\.enableMonitoring: EEXIST/);
    expect(rdt.monitors("gold")).toEqual([container.id]);
  });
});

describe("commands", () => {
  needs(...RESCTRL)("exec puts its process where the container is", async ({ box }) => {
    const { rdt, container } = await created(box, { enableMonitoring: true });
    await container.start();
    const { pid } = await container.state();
    const flags = ["--pid-file", box.path("pid")];
    expect(await container.execDetached(["sleep", "100"], flags, rdt.options)).toMatchObject({ code: 0, stderr: "" });
    const tasks = lines(rdt.read(`${container.id}/mon_groups/${container.id}/tasks`));
    expect(tasks).toEqual([String(pid), expect.stringMatching(/^\d+$/), ""]);
    expect(lines(rdt.read(`${container.id}/tasks`))).toEqual(tasks);
  });

  needs(...RESCTRL)("exec is refused where the class has gone: its process would have no limit", async ({ box }) => {
    const { rdt, container } = await created(box, {});
    await container.start();
    rmdirSync(join(rdt.root, container.id));
    const result = await container.exec(["true"], [], rdt.options);
    expect(result).toMatchObject({ code: 255, stderr: expect.stringMatching(/linux\.intelRdt: ENOENT/) });
  });

  needs(...RESCTRL)("run undoes all of it at its end", async ({ box }) => {
    const rdt = await TestResctrl.mount(box);
    const container = box.container(sh("exit 3"), intelRdt({ enableMonitoring: true }));
    expect(await container.run([], rdt.options)).toMatchObject({ code: 3, stderr: "" });
    expect(rdt.classes()).toEqual([]);
  });

  needs(...RESCTRL)("update changes the class, all of a change or nothing", async ({ box }) => {
    const { rdt, container } = await created(box, { l3CacheSchema: "L3:0=f;1=f", memBwSchema: "MB:0=50;1=50" });
    const update = (...flags: string[]) => box.call(["update", ...flags, container.id], rdt.options);
    const schemata = () => lines(rdt.read(`${container.id}/schemata`));
    expect(await update("--l3-cache-schema", "L3:1=1")).toMatchObject({ code: 0, stderr: "" });
    expect(await update("--mem-bw-schema", "MB:0=60")).toMatchObject({ code: 0, stderr: "" });
    const now = ["MB:0= 60;1= 50", "L3:0=00f;1=001", ""];
    expect(schemata()).toEqual(now);
    for (const [flags, words] of [
      [["--l3-cache-schema", "L3:1=3", "--mem-bw-schema", "MB:0=1"], /MB value 1 out of range/],
      [["--mem-bw-schema", "L3:0=1"], /not a line that begins with MB:/],
      // What is refused is of the cgroup's; the class was changed by then.
      [["--l3-cache-schema", "L3:1=3", "--mem-bw-schema", "MB:0=10", "--cpu-period", "1"], /cpu\.period/],
    ] as const) {
      expect(await update(...flags)).toMatchObject({ code: 1, stderr: expect.stringMatching(words) });
      expect(schemata(), flags.join(" ")).toEqual(now);
    }
  });

  needs(...RESCTRL)("events tells what is allowed and what was used", async ({ box }) => {
    const { rdt, container } = await created(box, { l3CacheSchema: "L3:0=f" });
    const { stdout } = await box.call(["events", "--stats", container.id], rdt.options);
    expect(JSON.parse(stdout).data.intel_rdt).toEqual({
      l3_cache_info: { cbm_mask: "7ff", min_cbm_bits: 1, num_closids: 4 },
      l3_cache_schema_root: "L3:0=7ff;1=7ff",
      l3_cache_schema: "L3:0=00f;1=7ff",
      mem_bw_info: { bandwidth_gran: 10, delay_linear: 1, min_bandwidth: 10, num_closids: 8 },
      mem_bw_schema_root: "MB:0=100;1=100",
      mem_bw_schema: "MB:0=100;1=100",
      schemata: ["MB:0=100;1=100", "L3:0=00f;1=7ff"],
      mbm_stats: [{ mbm_total_bytes: 1000, mbm_local_bytes: 1 }, { mbm_total_bytes: 2000 }],
      cmt_stats: [{ llc_occupancy: 100 }, { llc_occupancy: 200 }],
    });
  });

  needs(...RESCTRL)(
    "events does not take for the container's what a class is counted by that others are in",
    async ({ box }) => {
      const { rdt, container } = await created(box, { closID: "gold" }, (fs) => prepared(fs, "gold"));
      const { stdout } = await box.call(["events", "--stats", container.id], rdt.options);
      expect(Object.keys(JSON.parse(stdout).data.intel_rdt)).not.toContain("cmt_stats");
    },
  );
});

const none = readFileSync("/proc/self/mountinfo", "utf8").includes(" - resctrl ") ? "this machine has one" : undefined;
needs(none, runtimeKind === "tsrun" ? undefined : "other words")(
  "without a resctrl the field is refused",
  async ({ box }) => {
    const container = box.container(idle(), intelRdt({ closID: "/" }));
    expect((await container.create()).stderr).toContain("linux.intelRdt: no resctrl file system is mounted");
  },
);
