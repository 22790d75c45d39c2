// process.selinuxLabel, linux.mountLabel and exec's --process-label. The kernel takes a label that its policy knows: `npm test`
// boots a guest with SELinux for this file, whose policy (test/vm/selinux.cil) is loaded here. What wants CRIU as well, [qemu], is
// run by `npm run test:vm -- --backend=qemu --selinux` alone.

import { execFileSync } from "node:child_process";
import { appendFileSync, chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, vi } from "vitest";
import { idle, type Json, linux, MOUNTS, merge, mounts, namespaces, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { checkpoint, counting, criu, restore } from "./harness/criu.ts";
import { keySecurity } from "./harness/libc.ts";
import { except, kernelFile, needs } from "./harness/needs.ts";
import { outputOf, refusalOf } from "./harness/run.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const SELINUX = "/sys/fs/selinux";
const missing = kernelFile(`${SELINUX}/load`);
const selinux = missing ?? loadPolicy(process.env.TSRUN_SELINUX_POLICY);
const onlyOurs = except({ runc: "has words of its own", crun: "has words of its own" });

const LABEL = "system_u:system_r:container_t:s0:c1,c2";
const OTHER = "system_u:system_r:other_t:s0";
const FILES = "system_u:object_r:container_file_t:s0:c1,c2";
const UNKNOWN = "system_u:system_r:unheard_of_t:s0";

/** The kernel's word for what a process is under, which ends in a NUL. */
const WHO = "tr -d '\\0' </proc/self/attr/current";

const GETFATTR = "getfattr";
const SETFATTR = "setfattr";

const labelled = (selinuxLabel: string): Json => ({ process: { selinuxLabel } });
const MAPS = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const MAPPED = merge(
  namespaces("pid", "mount", "ipc", "uts", "network", "user"),
  linux({ uidMappings: MAPS, gidMappings: MAPS }),
);

/** Loads the policy and has it enforced; why not, where that cannot be. */
function loadPolicy(path: string | undefined): string | undefined {
  if (path === undefined) return "TSRUN_SELINUX_POLICY names no policy";
  writeFileSync(`${SELINUX}/load`, readFileSync(path));
  writeFileSync(`${SELINUX}/enforce`, "1");
  return undefined;
}

async function started(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(idle(), ...overrides);
  expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
  await container.start();
  await container.untilOutput("ready");
  return container;
}

describe("the label of a process", () => {
  needs(selinux)("is the program's also in the pid namespace of another", async ({ box }) => {
    const { pid } = await (await started(box)).state();
    const inPod = namespaces(`pid=/proc/${pid}/ns/pid`, "mount", "ipc", "uts", "network");
    expect(await outputOf(box, sh(WHO), labelled(LABEL), inPod)).toBe(LABEL);
  });

  needs(selinux)("is that of the program and of what exec runs beside it", async ({ box }) => {
    expect(await outputOf(box, sh(WHO), labelled(LABEL))).toBe(LABEL);
    const container = await started(box, labelled(LABEL));
    expect((await container.exec(["sh", "-c", WHO])).stdout).toBe(LABEL);
    expect((await container.exec(["sh", "-c", WHO], ["--process-label", OTHER])).stdout).toBe(OTHER);
    expect((await container.execProcess({ args: ["sh", "-c", WHO], selinuxLabel: OTHER })).stdout).toBe(OTHER);
  });

  needs(selinux)("is the container's for an exec whose file says nothing", async ({ box }) => {
    const container = await started(box, labelled(LABEL));
    expect((await container.execProcess({ args: ["sh", "-c", WHO], capabilities: {} })).stdout).toBe(LABEL);
  });

  needs(selinux)("that nobody asks for is the caller's", async ({ box }) => {
    expect(await outputOf(box, sh(WHO))).toBe("system_u:system_r:kernel_t:s0");
  });

  needs(selinux)("bites: what the policy denies is denied", async ({ box }) => {
    const script = "cat /etc/open; cat /etc/secret";
    for (const [label, stdout] of [
      [LABEL, "open\n"],
      ["", "open\nsecret\n"],
    ] as const) {
      const container = box.container(sh(script), labelled(label));
      for (const name of ["open", "secret"]) container.writeFile(`etc/${name}`, `${name}\n`);
      const value = "system_u:object_r:secret_t:s0";
      execFileSync(SETFATTR, ["-n", "security.selinux", "-v", value, join(container.rootfs, "etc/secret")]);
      expect((await container.run()).stdout, label).toBe(stdout);
    }
  });

  needs(selinux)("holds with no_new_privs and for a user without rights", async ({ box }) => {
    const user = { user: { uid: 1000, gid: 1000 }, capabilities: {} };
    for (const noNewPrivileges of [true, false])
      expect(await outputOf(box, sh(WHO), labelled(LABEL), { process: { ...user, noNewPrivileges } })).toBe(LABEL);
  });

  needs(selinux)("holds in a user namespace, and for exec where parts of /proc are masked", async ({ box }) => {
    chmodSync(box.directory, 0o755);
    const container = await started(box, MAPPED, labelled(LABEL), linux({ maskedPaths: ["/proc/kcore"] }));
    expect((await container.exec(["sh", "-c", WHO])).stdout).toBe(LABEL);
  });

  needs(selinux, except({ crun: "gives them none" }))(
    "is that of hooks that run what is in the image",
    async ({ box }) => {
      const hook = { path: "/bin/sh", args: ["sh", "-c", `${WHO} >/etc/hook`], env: ["PATH=/bin"] };
      const container = box.container(sh("true"), labelled(LABEL), { hooks: { startContainer: [hook] } });
      await container.create();
      expect(await container.start()).toMatchObject({ code: 0 });
      expect(container.readFile("etc/hook")).toBe(LABEL);
    },
  );

  needs(selinux, onlyOurs)(
    "that the policy does not know is an error that names it, and nothing is left",
    async ({ box }) => {
      const words = `process.selinuxLabel: write(${UNKNOWN}): EINVAL (Invalid argument)`;
      expect(await refusalOf(box, idle(), labelled(UNKNOWN))).toContain(words);
      const container = await started(box);
      const result = await container.exec(["true"], ["--process-label", UNKNOWN]);
      expect(result).toMatchObject({ stderr: expect.stringContaining(words) });
    },
  );

  needs(selinux, except({ crun: "gives it no name to be found by" }))(
    "is that of the session keyring",
    async ({ box }) => {
      const container = await started(box, labelled(LABEL));
      const line = readFileSync("/proc/keys", "utf8")
        .split("\n")
        .find((text) => text.includes(` _ses.${container.id}`));
      expect(keySecurity(Number.parseInt(line ?? "", 16))).toBe(LABEL);
    },
  );

  needs(
    selinux,
    onlyOurs,
    ...criu,
  )("is restored, or nothing is: a CRIU without SELinux would leave it unconfined [qemu]", async ({ box }) => {
    const container = box.container(counting(), labelled(LABEL));
    await container.runDetached();
    await container.untilOutput("1\n");
    expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
    const program = execFileSync("sh", ["-c", "command -v criu"], { encoding: "utf8" }).trim();
    if (readFileSync(program, "latin1").includes("libselinux.so")) {
      expect(await restore(box, container)).toMatchObject({ code: 0, stderr: "" });
      expect((await container.exec(["cat", "/proc/1/attr/current"])).stdout).toContain(LABEL);
      return;
    }
    expect((await restore(box, container)).stderr).toMatch(/process\.selinuxLabel: .*criu is built without SELinux/);
    await expect(container.state()).rejects.toThrow("does not exist");
    // One that looks as if it knew labels.
    const pretender = join(box.makeDirectory("bin"), "criu");
    copyFileSync(program, pretender);
    appendFileSync(pretender, "libselinux.so");
    vi.stubEnv("PATH", `${dirname(pretender)}:${process.env.PATH}`);
    const { stderr } = await restore(box, container).finally(() => vi.unstubAllEnvs());
    expect(stderr).toMatch(/process\.selinuxLabel: CRIU has restored the process as .*kernel_t.*, not as/);
    await expect(container.state()).rejects.toThrow("does not exist");
  });
});

/** Mount points and the options of their file systems, as the container's mountinfo has them. */
async function fileSystems(container: Container): Promise<Map<string, string>> {
  const { pid } = await container.state();
  const lines = readFileSync(`/proc/${pid}/mountinfo`, "utf8").trimEnd().split("\n");
  return new Map(lines.map((line) => [line.split(" ")[4] ?? "", line.split(" ").at(-1) ?? ""]));
}

const MQUEUE = { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] };

describe("the label of mounts", () => {
  needs(selinux)("is that of every new file system but the kernel's, and of masked directories", async ({ box }) => {
    const cgroup = { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup" };
    const container = await started(
      box,
      mounts(MQUEUE, cgroup),
      linux({ mountLabel: FILES, maskedPaths: ["/proc/fs"] }),
    );
    const found = await fileSystems(container);
    for (const place of ["/dev", "/dev/pts", "/dev/shm", "/proc/fs"])
      expect(found.get(place), place).toContain(`context="${FILES}"`);
    for (const place of ["/proc", "/sys", "/sys/fs/cgroup", "/dev/mqueue"])
      expect(found.get(place), place).not.toContain("context=");
  });

  for (const [name, options] of [
    ["", MQUEUE.options],
    [", a read-only one as well", [...MQUEUE.options, "ro"]],
  ] as const) {
    needs(selinux, except({ ...(name !== "" && { runc: "fails" }) }))(
      `is an attribute of an mqueue${name}`,
      async ({ box }) => {
        const container = await started(box, mounts({ ...MQUEUE, options }), linux({ mountLabel: FILES }));
        const { pid } = await container.state();
        const place = `/proc/${pid}/root/dev/mqueue`;
        expect(execFileSync(GETFATTR, ["-n", "security.selinux", place], { encoding: "utf8" })).toContain(FILES);
      },
    );
  }

  needs(selinux, except({ runc: "knows no such annotation" }))(
    "may be of the kind that an annotation names",
    async ({ box }) => {
      const annotations = { "run.oci.mount_context_type": "rootcontext" };
      const container = await started(box, linux({ mountLabel: FILES }), { annotations });
      expect((await fileSystems(container)).get("/dev/shm")).toContain(`rootcontext="${FILES}"`);
    },
  );

  needs(selinux, onlyOurs)("is refused by name where the policy does not know it", async ({ box }) => {
    const words = await refusalOf(box, idle(), linux({ mountLabel: UNKNOWN }));
    expect(words).toContain(`mounts[1] (/dev): fsconfig(context, ${UNKNOWN})`);
  });

  needs(selinux)("is that of file systems that belong to a user namespace", async ({ box }) => {
    chmodSync(box.directory, 0o755);
    const container = await started(box, MAPPED, linux({ mountLabel: FILES }));
    expect((await fileSystems(container)).get("/dev/shm")).toContain(FILES);
  });

  needs(
    selinux,
    onlyOurs,
    ...criu,
  )("is another after a restore with --lsm-mount-context [qemu]", async ({ box }) => {
    const container = box.container(counting(), linux({ mountLabel: FILES }));
    await container.runDetached();
    await container.untilOutput("1\n");
    expect((await fileSystems(container)).get("/dev/shm")).toContain(`context="${FILES}"`);
    expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
    const other = FILES.replace(",c2", "");
    expect(await restore(box, container, "--lsm-mount-context", other)).toMatchObject({ code: 0, stderr: "" });
    const found = await fileSystems(container);
    for (const place of ["/dev", "/dev/pts", "/dev/shm"])
      expect(found.get(place), place).toMatch(new RegExp(`context=${other}(,|$)`));
  });

  needs(selinux)("is that of an overlay with more layers than fsconfig(2) takes", async ({ box }) => {
    const layers = Array.from({ length: 12 }, (_, i) => box.makeDirectory(`layer-with-a-long-name-${i}`));
    const overlay = {
      destination: "/mnt",
      type: "overlay",
      source: "overlay",
      options: [`lowerdir=${layers.join(":")}`],
    };
    const container = await started(box, mounts(overlay), linux({ mountLabel: FILES }));
    expect((await fileSystems(container)).get("/mnt")).toContain(FILES);
  });
});

describe("a kernel without SELinux", () => {
  const off = missing === undefined ? "this kernel runs SELinux" : undefined;
  const words = "selinux label is specified in config, but selinux is disabled or not supported";

  needs(off, except({ crun: "has words of its own" }))(
    "is told by create and exec, in runc's words",
    async ({ box }) => {
      expect(await refusalOf(box, idle(), labelled(LABEL))).toContain(words);
      const container = await started(box);
      for (const result of [
        await container.exec(["true"], ["--process-label", LABEL]),
        await container.execProcess({ selinuxLabel: LABEL }),
      ])
        expect(result.code).not.toBe(0);
    },
  );

  needs(off, onlyOurs)("cannot label mounts, and says so", async ({ box }) => {
    const mount = { mounts: MOUNTS, linux: { mountLabel: FILES } };
    expect(await refusalOf(box, idle(), mount)).toContain(`linux.mountLabel: ${words}`);
    expect(await outputOf(box, sh("true"), linux({ mountLabel: "" }), labelled(""))).toBe("");
  });
});
