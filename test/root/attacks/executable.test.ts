// Attacks on the runtime's own files: its executable, which a container could overwrite through /proc/PID/exe
// (CVE-2019-5736), and what its process loads, which a container could replace (CVE-2019-14271).

import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, sh } from "../harness/config.ts";
import { test } from "../harness/fixture.ts";
import { except, needs } from "../harness/needs.ts";
import { runtimePath } from "../harness/runtime.ts";
import { until } from "../harness/until.ts";
import { arm, attacking, compiler } from "./attacker.ts";

const onlyOurs = except({ runc: "is built otherwise", crun: "is built otherwise" });

describe("the executable in a container (CVE-2019-5736)", () => {
  needs(onlyOurs)("can be written to by nobody, root on the host included, while it runs or after", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    const held = openSync(`/proc/${(await container.state()).pid}/exe`, "r");
    const path = `/proc/self/fd/${held}`;
    expect(readlinkSync(path)).toMatch(/^\/memfd:/);
    expect(() => openSync(path, "r+")).toThrow("ETXTBSY");
    await container.delete("--force");
    const fd = openSync(path, "r+"); // nothing runs it any more
    expect(() => writeSync(fd, "#!/bin/sh\n", 0)).toThrow("EPERM");
    for (const one of [fd, held]) closeSync(one);
  });

  needs(compiler, onlyOurs)("is not overwritten from inside by who holds it as it comes in", async ({ box }) => {
    const container = box.container(attacking("overwrite"));
    arm(container);
    container.writeFile("trap", "#!/proc/self/exe\n", 0o755);
    const before = readFileSync(runtimePath);
    await container.runDetached();
    await container.untilOutput("ready");
    for (let i = 0; i < 20; i++) {
      expect((await container.exec(["/trap"])).code).not.toBe(0);
      expect((await container.exec(["/proc/self/exe"])).code).not.toBe(0);
    }
    expect(container.output()).not.toContain("wrote");
    expect(readFileSync(runtimePath).equals(before)).toBe(true);
  });

  for (const program of ["/trap", "/proc/self/exe", "/proc/1/exe"]) {
    test(`is nothing that ${program} can be: run ends, and nothing else happens`, async ({ box }) => {
      const container = box.container({ process: { args: [program] } });
      container.writeFile("trap", "#!/proc/self/exe\n", 0o755);
      const before = readFileSync(runtimePath);
      const { code } = await container.run();
      expect(code).not.toBe(0);
      expect(readFileSync(runtimePath).equals(before)).toBe(true);
    });
  }
});

describe("the process of tsrun itself", () => {
  needs(onlyOurs)(
    "is in no namespace of the container's and has no file of its image mapped (CVE-2019-14271)",
    async ({ box }) => {
      const container = box.container(idle());
      await container.create();
      await container.start();
      await container.untilOutput("ready");
      const running = box.begin(["exec", container.id, "sleep", "1000"]);
      const pid = Number(running.pid);
      await until(() => hasChildren(pid), "its process");
      for (const name of readdirSync("/proc/self/ns"))
        expect(readlinkSync(`/proc/${pid}/ns/${name}`), name).toBe(readlinkSync(`/proc/self/ns/${name}`));
      expect(readlinkSync(`/proc/${pid}/root`)).toBe("/");
      expect(readFileSync(`/proc/${pid}/maps`, "utf8")).not.toContain(container.bundle);
      running.kill("SIGTERM");
      await running;
    },
  );

  needs(onlyOurs)(
    "takes no library and no option from what the container's process has in its environment",
    async ({ box }) => {
      const env = [
        "PATH=/bin",
        "LD_PRELOAD=/evil.so",
        "LD_LIBRARY_PATH=/",
        "LD_AUDIT=/evil.so",
        "NODE_OPTIONS=--require=/x",
      ];
      const container = box.container(sh("echo $LD_PRELOAD"), { process: { env } });
      container.writeFile("evil.so", "no library");
      container.writeFile("libc.so.6", "no library");
      expect(await container.run()).toMatchObject({ code: 0, stdout: "/evil.so\n", stderr: "" });
    },
  );
});

function hasChildren(pid: number): boolean {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim() !== "";
}
