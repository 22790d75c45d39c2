import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { exit, move } from "../../../src/linux/bpf/instructions.ts";
import { attachedPrograms, attachProgram, loadDeviceProgram } from "../../../src/linux/bpf/programs.ts";
import type { DeviceFilter } from "../../../src/linux/cgroups/device-rules.ts";
import { deviceFilter } from "../../../src/linux/cgroups/device-rules.ts";
import { setDevicesV2 } from "../../../src/linux/cgroups/devices-v2.ts";
import { TestCgroup, v2Mount } from "../bpf/fixture.ts";

const mount = v2Mount() ?? "";
const NODE = join(import.meta.dirname, "../../../node_modules/.bin/node");

const hasStrace = existsSync("/usr/bin/strace");
if (mount !== "" && !hasStrace) console.warn("skipped what needs strace: strace is not installed");

const ALL: DeviceFilter = { allowByDefault: true, exceptions: [] };
const ONLY_NULL: DeviceFilter = {
  allowByDefault: false,
  exceptions: [{ type: "c", major: 1, minor: 3, access: "rw" }],
};

function set(cgroup: TestCgroup, filter: DeviceFilter): void {
  setDevicesV2(cgroup.fd, filter, () => false);
}

/** Sets the filter in a process that `command` starts; returns "done" or the message of the error. */
function setElsewhere(command: readonly string[], { fd }: TestCgroup, rootless: boolean, filter: DeviceFilter): string {
  const [program = "", ...words] = command;
  const script = [NODE, join(import.meta.dirname, "set-devices.ts"), String(rootless), JSON.stringify(filter)];
  const { stdout } = spawnSync(program, [...words, ...script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit", fd],
  });
  return stdout.trim();
}

function nodeOf(cgroup: TestCgroup): string {
  return join(tmpdir(), `${basename(cgroup.path)}-node`);
}

function attachAnother(cgroup: TestCgroup): void {
  const program = loadDeviceProgram([move(0, 1), exit()]);
  attachProgram(cgroup.fd, program);
  closeSync(program);
}

describe.skipIf(mount === "")("a device filter on cgroup v2", () => {
  it("denies what it does not allow, to whoever is in the cgroup", () => {
    using cgroup = new TestCgroup(mount);
    expect(cgroup.opens("/dev/full", "<")).toBe(true);
    set(cgroup, ONLY_NULL);
    expect(cgroup.opens("/dev/full", "<")).toBe(false);
    expect(cgroup.opens("/dev/null", "<>")).toBe(true);
    expect(cgroup.run(`mknod ${nodeOf(cgroup)} c 1 3 || echo denied`)).toBe("denied\n");
  });

  it("by the rules of a container that allows nothing has what every container has, and no more", () => {
    using cgroup = new TestCgroup(mount);
    expect(cgroup.opens("/dev/kmsg", "<")).toBe(true);
    set(cgroup, deviceFilter([{ allow: false, access: "rwm" }]));
    for (const name of ["null", "zero", "full", "random", "urandom"])
      expect(cgroup.opens(`/dev/${name}`, "<"), name).toBe(true);
    expect(cgroup.opens("/dev/kmsg", "<")).toBe(false);
    expect(cgroup.run(`mknod ${nodeOf(cgroup)} b 7 0 && rm ${nodeOf(cgroup)} && echo made`)).toBe("made\n");
  });

  it("that denies writing denies reading and writing at once", () => {
    using cgroup = new TestCgroup(mount);
    set(cgroup, { allowByDefault: true, exceptions: [{ type: "c", major: 1, minor: 3, access: "w" }] });
    expect(cgroup.opens("/dev/null", "<")).toBe(true);
    expect(cgroup.opens("/dev/null", ">")).toBe(false);
    expect(cgroup.opens("/dev/null", "<>")).toBe(false);
    expect(cgroup.opens("/dev/zero", "<>")).toBe(true);
  });

  it("takes the place of all that were attached before: none, one or several", () => {
    using cgroup = new TestCgroup(mount);
    set(cgroup, ONLY_NULL);
    const first = attachedPrograms(cgroup.fd);
    expect(first).toHaveLength(1);
    set(cgroup, deviceFilter([]));
    const second = attachedPrograms(cgroup.fd);
    expect(second).toHaveLength(1);
    expect(second).not.toEqual(first);
    expect(cgroup.opens("/dev/full", "<")).toBe(true);
    attachAnother(cgroup);
    attachAnother(cgroup);
    expect(attachedPrograms(cgroup.fd)).toHaveLength(3);
    set(cgroup, ONLY_NULL);
    expect(attachedPrograms(cgroup.fd)).toHaveLength(1);
    expect(cgroup.opens("/dev/full", "<")).toBe(false);
  });

  it.each([1, 2])("is in force at every moment while another takes its place (%i attached)", async (count) => {
    using cgroup = new TestCgroup(mount);
    set(cgroup, ONLY_NULL);
    const prober = cgroup.start("echo ready; while true; do if true </dev/full; then echo opened; fi; done");
    let seen = "";
    prober.stdout?.on("data", (data) => {
      seen += data;
    });
    await once(prober.stdout as NodeJS.ReadableStream, "data");
    for (let i = 0; i < 300; i++) {
      if (count === 2) attachAnother(cgroup);
      set(cgroup, ONLY_NULL);
    }
    prober.kill();
    await once(prober, "close");
    expect(seen).toBe("ready\n");
  });

  it("that allows everything is no program, whatever was attached before", () => {
    using cgroup = new TestCgroup(mount);
    set(cgroup, ALL);
    expect(attachedPrograms(cgroup.fd)).toEqual([]);
    set(cgroup, ONLY_NULL);
    set(cgroup, ALL);
    expect(attachedPrograms(cgroup.fd)).toEqual([]);
    expect(cgroup.opens("/dev/full", "<")).toBe(true);
  });

  describe.skipIf(!hasStrace)("when the kernel is made to refuse", () => {
    // Calls of bpf(2) in order: query, one to open each program that is attached, load, attach.
    const injected = (errno: string, when: string) =>
      ["strace", "-f", "-o/dev/null", "-etrace=bpf", `-einject=bpf:error=${errno}:when=${when}`] as const;

    it.each([
      ["a check cut short by a signal is made again", injected("EAGAIN", "3..9"), "done", 1],
      ["but not for ever", injected("EAGAIN", "3+"), "bpf(BPF_PROG_LOAD): EAGAIN", 1],
      ["a program that may not be had stays beside ours", injected("EPERM", "2"), "done", 2],
      ["a program that has gone meanwhile is none", injected("ENOENT", "2"), "done", 2],
      ["any other error is one", injected("EIO", "2"), "bpf(BPF_PROG_GET_FD_BY_ID): EIO", 1],
    ])("%s", (_, command, outcome, attached) => {
      using cgroup = new TestCgroup(mount);
      attachAnother(cgroup);
      expect(setElsewhere(command, cgroup, false, ONLY_NULL)).toContain(outcome);
      expect(attachedPrograms(cgroup.fd)).toHaveLength(attached);
      if (outcome === "done") expect(cgroup.opens("/dev/full", "<")).toBe(false);
    });
  });

  describe("without the right to attach one", () => {
    const NO_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    const USER_NAMESPACE = ["unshare", "--user", "--map-root-user"];
    const refused = "linux.resources.devices: bpf(BPF_PROG_QUERY): EPERM (Operation not permitted)";

    it.each([
      ["is an error that names the field and the call", NO_RIGHTS, false, ONLY_NULL, refused],
      ["is done without where it allows everything", NO_RIGHTS, false, ALL, "done"],
      ["is done without by a rootless runtime", NO_RIGHTS, true, ONLY_NULL, "done"],
      ["is done without in a user namespace", USER_NAMESPACE, false, ONLY_NULL, "done"],
    ])("%s", (_, command, rootless, filter, outcome) => {
      using cgroup = new TestCgroup(mount);
      expect(setElsewhere(command, cgroup, rootless, filter)).toBe(outcome);
      expect(attachedPrograms(cgroup.fd)).toEqual([]);
    });
  });
});
