import { mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isRootOfProcfs } from "../../src/linux/file-status.ts";
import { close } from "../../src/linux/files.ts";
import { checkModules, planConfinement, planKeyLabel, procfsFor } from "../../src/linux/lsm.ts";
import { Plan } from "../../src/linux/plan.ts";
import { calls, host } from "./sample.ts";

const LABEL = "system_u:system_r:container_t:s0:c1,c2";
const BENEATH = "{flags=O_WRONLY|O_CLOEXEC, resolve=RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS|RESOLVE_BENEATH}";

function planned(plan: (to: Plan) => void): Plan {
  const to = new Plan();
  plan(to);
  return to;
}

describe("The profile and the label of a process", () => {
  it("are asked for by its own files beneath the host's procfs, whose descriptor goes with that", () => {
    const plan = planned((to) => planConfinement(to, { apparmorProfile: "sample", selinuxLabel: LABEL }, 9));
    expect(calls(plan)).toEqual([
      `openat2(9, "thread-self/attr/apparmor/exec", ${BENEATH})`,
      'write(#1, "exec sample")',
      "close(#1)",
      `openat2(9, "thread-self/attr/exec", ${BENEATH})`,
      `write(#1, "${LABEL}")`,
      "close(#1)",
      "close(9)",
    ]);
    expect(plan.steps.map(({ field }) => field).slice(0, 4)).toEqual([
      ...new Array(3).fill("process.apparmorProfile"),
      "process.selinuxLabel",
    ]);
  });

  it("are counted in bytes", () => {
    const { steps } = planned((to) => planConfinement(to, { apparmorProfile: "é" }, 9));
    expect(steps[1]?.call.args.slice(1)).toEqual(["exec é", 7]);
  });

  it.each([{}, { apparmorProfile: "", selinuxLabel: "" }])("that are none cost nothing: %j", (process) => {
    expect(calls(planned((to) => planConfinement(to, process, undefined)))).toEqual([]);
    expect(calls(planned((to) => planKeyLabel(to, process, undefined)))).toEqual([]);
    expect(procfsFor(process)).toBeUndefined();
  });

  it.each([{ apparmorProfile: "sample" }, { selinuxLabel: LABEL }])("are never left out: %j", (process) => {
    expect(() => planConfinement(new Plan(), process, undefined)).toThrow("is to be confined");
  });

  it("label the keys that it makes, too", () => {
    const lines = calls(planned((to) => planKeyLabel(to, { apparmorProfile: "sample", selinuxLabel: LABEL }, 9)));
    expect(lines[0]).toContain('"thread-self/attr/keycreate"');
    expect(lines).toHaveLength(3);
  });
});

describe("The host's procfs", () => {
  it("is opened where there is something to write", () => {
    const fd = procfsFor({ apparmorProfile: "sample" }) ?? -1;
    expect(isRootOfProcfs(fd)).toBe(true);
    close(fd);
  });

  it("is no other file system, and nothing below it", () => {
    const directory = mkdtempSync(join(tmpdir(), "tsrun-unit-"));
    mkdirSync(join(directory, "thread-self"));
    for (const path of [directory, "/proc/self/", "/proc/self/attr"]) {
      const fd = openSync(path, "r");
      expect(isRootOfProcfs(fd), path).toBe(false);
      close(fd);
    }
    rmSync(directory, { recursive: true });
  });
});

describe("What the host's kernel does not run", () => {
  const without = host({ hasAppArmor: () => false, hasSELinux: () => false });

  it("is refused, by the field", () => {
    expect(() => checkModules({ apparmorProfile: "sample" }, undefined, without)).toThrow(
      "process.apparmorProfile: apparmor: config provided but apparmor not supported",
    );
    expect(() => checkModules({ selinuxLabel: LABEL }, undefined, without)).toThrow(
      "process.selinuxLabel: selinux label is specified in config, but selinux is disabled or not supported",
    );
    expect(() => checkModules({}, LABEL, without)).toThrow("linux.mountLabel: selinux label is specified");
  });

  it("need not be there for who does not ask for it", () => {
    checkModules({ apparmorProfile: "", selinuxLabel: "" }, "", without);
    checkModules({}, undefined, without);
    checkModules({ apparmorProfile: "sample" }, undefined, host({ hasSELinux: () => false }));
    checkModules({ selinuxLabel: LABEL }, LABEL, host({ hasAppArmor: () => false }));
  });
});
