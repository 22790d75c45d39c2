// The flags of checkpoint and restore, each with a container that CRIU refuses without it, or with what it changes.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { readCgroup } from "./harness/cgroup-files.ts";
import { merge, mounts, namespaces, sh } from "./harness/config.ts";
import { checkpoint, counting, criu, pause, restore } from "./harness/criu.ts";
import { except, kernelFile, needs, program } from "./harness/needs.ts";

const COUNT = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done";

const ofTsrun = except({ runc: "refuses output in a file", crun: "too" });

describe("flags of checkpoint and restore [qemu]", { timeout: 120_000 }, () => {
  needs(
    ...criu,
    ofTsrun,
    kernelFile("/lib64"),
    program("flock"),
  )("--file-locks: locks are held again", async ({ box }) => {
    const own = ["/usr", "/lib", "/lib64"].map((path) => ({
      type: "bind",
      source: path,
      destination: path,
      options: ["rbind", "ro"],
    }));
    const container = box.container(mounts(...own), sh(`exec /usr/bin/flock /lock sh -c '${COUNT}'`));
    await container.runDetached();
    await container.untilOutput("1\n");
    const refused = await checkpoint(box, container);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/lock/i)]);
    expect((await container.state()).status).toBe("running");
    expect(await checkpoint(box, container, "--file-locks")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container, "--file-locks")).toMatchObject({ code: 0, stderr: "" });
    expect((await container.exec(["/usr/bin/flock", "-n", "/lock", "true"])).code).toBe(1);
  });

  needs(...criu, ofTsrun)("--link-remap: an open file whose name is gone, but not its other one", async ({ box }) => {
    const container = box.container(sh(`exec 9>/one; ln /one /two; rm /one; ${COUNT}`));
    await container.runDetached();
    await container.untilOutput("1\n");
    const refused = await checkpoint(box, container);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("link-remap")]);
    expect(await checkpoint(box, container, "--link-remap")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container)).toMatchObject({ code: 0, stderr: "" });
    expect((await container.exec(["sh", "-c", "echo told >/proc/1/fd/9; cat /two"])).stdout).toBe("told\n");
    expect(readdirSync(container.rootfs).filter((name) => name.startsWith("link_remap"))).toEqual([]);
  });

  needs(...criu, ofTsrun)("--ext-unix-sk: a socket of a log outside", async ({ box }) => {
    const shared = namespaces("pid", "ipc", "uts", "mount"); // CRIU knows the sockets of one network alone
    const volume = mounts({
      type: "bind",
      source: box.makeDirectory("sockets"),
      destination: "/sockets",
      options: ["rbind"],
    });
    const link = "ln -s /sockets/log /dev/log;";
    const logger = box.container(shared, volume, sh(`${link} exec syslogd -n -O /log`));
    await logger.runDetached();
    const container = box.container(shared, volume, sh(`${link} echo ready; exec crond -f -c /tmp`));
    await container.runDetached();
    await pause(500);
    const refused = await checkpoint(box, container);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/unix/)]);
    expect(await checkpoint(box, container, "--ext-unix-sk")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container, "--ext-unix-sk")).toMatchObject({ code: 0, stderr: "" });
    expect((await container.state()).status).toBe("running");
    expect(logger.readFile("log")).toContain("crond");
  });

  // tsrun makes the cgroup by the config before CRIU comes to it.
  for (const [mode, limit] of [
    ["soft", "50"],
    ["full", "60"],
    ["ignore", "50"],
  ] as const)
    needs(...criu, ofTsrun)(
      `--manage-cgroups-mode ${mode}: limits are those of the ${limit === "60" ? "images" : "config"}`,
      async ({ box }) => {
        const container = box.container(merge(counting(), { linux: { resources: { pids: { limit: 50 } } } }));
        await container.runDetached();
        await container.untilOutput("1\n");
        expect(await box.call(["update", "--pids-limit", "60", container.id])).toMatchObject({ code: 0 });
        const flags = ["--manage-cgroups-mode", mode];
        expect(await checkpoint(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
        expect(await restore(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
        expect(readCgroup(container.id, "pids.max")).toBe(limit);
        expect(readFileSync(`/proc/${(await container.state()).pid}/cgroup`, "utf8")).toContain(`/${container.id}\n`);
      },
    );

  needs(...criu, ofTsrun)(
    "--manage-cgroups-mode strict wants cgroups that are not there; nothing is left",
    async ({ box }) => {
      const container = box.container(counting());
      await container.runDetached();
      await container.untilOutput("1\n");
      const flags = ["--manage-cgroups-mode", "strict"];
      expect(await checkpoint(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
      const { code, stderr } = await restore(box, container, ...flags);
      expect([code, stderr]).toEqual([1, expect.stringContaining("existing cgroups")]);
      await expect(container.state()).rejects.toThrow("does not exist");
    },
  );

  needs(
    ...criu,
    ofTsrun,
    program("ip"),
  )("--empty-ns network: what is in it is left to the hooks", async ({ box }) => {
    const addPeer = [
      "pid=$(tr ',' '\\n' | sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p'); PATH=$PATH:/sbin:/usr/sbin",
      `ip link add v$pid type veth peer name eth0 netns $pid`,
    ].join("; ");
    const hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", addPeer] }] };
    const container = box.container(merge(counting(), { hooks }));
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    await container.untilOutput("1\n");
    await container.exec(["ip", "address", "add", "10.9.8.7/24", "dev", "eth0"]);
    const addresses = async () => (await container.exec(["ip", "address"])).stdout;
    expect(await addresses()).toContain("10.9.8.7");
    expect(await checkpoint(box, container, "--empty-ns", "network")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container, "--empty-ns", "network")).toMatchObject({ code: 0, stderr: "" });
    expect(await addresses()).toContain("eth0@");
    expect(await addresses()).not.toContain("10.9.8.7");
  });
});
