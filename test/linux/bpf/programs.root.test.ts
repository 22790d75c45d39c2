import { closeSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PROG_LOAD_SIZE, putProgLoad } from "../../../src/linux/abi/bpf.ts";
import { syscallNumber } from "../../../src/linux/abi/syscalls.ts";
import { assemble, exit, type Instruction, jump, move } from "../../../src/linux/bpf/instructions.ts";
import {
  attachedPrograms,
  attachProgram,
  detachProgram,
  loadDeviceProgram,
  openProgram,
} from "../../../src/linux/bpf/programs.ts";
import { deviceProgram } from "../../../src/linux/cgroups/device-program.ts";
import { type DeviceException, deviceFilter } from "../../../src/linux/cgroups/device-rules.ts";
import { memory, syscall } from "../../../src/linux/libc.ts";
import { TestCgroup, v2Mount } from "./fixture.ts";
import { list } from "./machine.ts";

const mount = v2Mount() ?? "";

/** What the kernel's verifier says of a program, line by line. */
function verifierLog(program: readonly Instruction[]): string[] {
  const code = assemble(program);
  const size = 1 << 20;
  const all = memory(PROG_LOAD_SIZE + 8 + code.length + size);
  const [license, instructions, log] = [PROG_LOAD_SIZE, PROG_LOAD_SIZE + 8, PROG_LOAD_SIZE + 8 + code.length];
  all.bytes.set(code, instructions);
  putProgLoad(all.bytes, {
    type: 15,
    count: program.length,
    instructions: all.address + instructions,
    license: all.address + license,
    name: "test",
  });
  const view = new DataView(all.bytes.buffer);
  view.setUint32(24, 2, true);
  view.setUint32(28, size, true);
  view.setBigUint64(32, BigInt(all.address + log), true);
  const fd = syscall(syscallNumber("bpf"), 5, all.bytes, PROG_LOAD_SIZE);
  if (fd >= 0) closeSync(fd);
  return Buffer.from(all.bytes.subarray(log)).toString("utf8").split("\0", 1)[0]?.split("\n") ?? [];
}

describe.skipIf(mount === "")("device programs in the kernel", () => {
  it.each([false, true])("are read there as they are listed here (all allowed by default: %s)", (allow) => {
    const rules = [{ allow }, { allow: !allow, type: "b", major: 8, minor: 200, access: "r" }] as const;
    const program = deviceProgram(deviceFilter(rules));
    // Instructions without the state of registers after them, which the kernel adds behind a semicolon.
    const log = verifierLog(program).map((line) => line.replace(/\s*;.*/, ""));
    expect(log.join("\n")).toContain("processed");
    for (const line of list(assemble(program))) expect(log).toContain(line);
  });

  it("can have exceptions by the thousand", () => {
    const exceptions = Array.from({ length: 4000 }, (_, i): DeviceException => {
      return { type: i % 2 ? "b" : "c", major: i, minor: i % 3 ? i : "*", access: i % 5 ? "r" : "rwm" };
    });
    for (const allowByDefault of [true, false])
      closeSync(loadDeviceProgram(deviceProgram({ allowByDefault, exceptions })));
  });

  it("are refused when wrong, and the refusal names command and errno", () => {
    expect(() => loadDeviceProgram([exit()])).toThrow(
      "linux.resources.devices: bpf(BPF_PROG_LOAD): EACCES (Permission denied)",
    );
    expect(() => loadDeviceProgram([move(0, 1), jump(1), exit()])).toThrow("EINVAL (Invalid argument)");
  });

  it("are attached beside each other, replaced in their place, and detached", () => {
    using cgroup = new TestCgroup(mount);
    const [a, b, c] = [0, 1, 1].map((result) => loadDeviceProgram([move(0, result), exit()])) as [
      number,
      number,
      number,
    ];
    try {
      expect(attachedPrograms(cgroup.fd)).toEqual([]);
      attachProgram(cgroup.fd, a);
      attachProgram(cgroup.fd, b);
      const [first, second] = attachedPrograms(cgroup.fd) as [number, number];
      attachProgram(cgroup.fd, c, a);
      const [third, ...more] = attachedPrograms(cgroup.fd);
      expect(more).toEqual([second]);
      expect(third).not.toBe(first);
      const opened = openProgram(second);
      detachProgram(cgroup.fd, opened);
      closeSync(opened);
      expect(attachedPrograms(cgroup.fd)).toEqual([third]);
      expect(() => detachProgram(cgroup.fd, a)).toThrow("bpf(BPF_PROG_DETACH): ENOENT (No such file or directory)");
    } finally {
      for (const fd of [a, b, c]) closeSync(fd);
    }
  });

  it("are listed to the last, of as many as the kernel takes", () => {
    using cgroup = new TestCgroup(mount);
    for (let i = 0; i < 64; i++) {
      const program = loadDeviceProgram([move(0, 1), exit()]);
      attachProgram(cgroup.fd, program);
      closeSync(program);
    }
    expect(new Set(attachedPrograms(cgroup.fd)).size).toBe(64);
  });
});
