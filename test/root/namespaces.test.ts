// Namespaces: new ones, joined ones, in any order (config-linux.md "Namespaces"), and what goes with them: hostname,
// domainname, time offsets, id maps, sysctl.

import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { idle, type Json, linux, mounts, namespaces, sh } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { holder } from "./harness/holder.ts";
import { except, kernelFile, needs } from "./harness/needs.ts";
import { makeRootfs } from "./harness/rootfs.ts";
import { outputOf, refusalOf } from "./harness/run.ts";

const FILES: Readonly<Record<string, string>> = {
  pid: "pid",
  network: "net",
  mount: "mnt",
  ipc: "ipc",
  uts: "uts",
  cgroup: "cgroup",
  user: "user",
  time: "time",
};
const MAPS = [{ containerID: 0, hostID: 0, size: 65536 }];
const oldTime = except({ runc: "1.1 knows no time namespaces", crun: "1.8 dies of it on this kernel" });
const link = (type: string) => readlinkSync(`/proc/self/ns/${FILES[type]}`);
const show = (types: string[]) => sh(types.map((type) => `readlink /proc/self/ns/${FILES[type]}`).join(";"));

describe("new namespaces", () => {
  for (const type of Object.keys(FILES)) {
    needs(kernelFile(`/proc/self/ns/${FILES[type]}`), type === "time" ? oldTime : undefined)(
      `a new ${type} namespace is not the caller's, and without it the caller's is kept`,
      async ({ box }) => {
        const always = ["mount", "pid"];
        const maps = type === "user" ? linux({ uidMappings: MAPS, gidMappings: MAPS }) : {};
        const fresh = namespaces(...new Set([...always, "ipc", "uts", "network", type]));
        expect(await outputOf(box, show([type]), fresh, maps)).not.toBe(`${link(type)}\n`);
        if (always.includes(type)) return;
        const kept = namespaces(...always, ...["ipc", "uts"].filter((other) => other !== type));
        const names = type === "uts" ? { hostname: undefined } : {};
        expect(await outputOf(box, show([type]), kept, names, { mounts: plainMounts() })).toBe(`${link(type)}\n`);
      },
    );
  }

  test("the process is number 1 and sees no other", async ({ box }) => {
    const output = await outputOf(box, sh("echo $$; ls /proc | grep '^[0-9]*$' | wc -l"));
    expect(output.split("\n")[0]).toBe("1");
    expect(Number(output.split("\n")[1])).toBeLessThan(6);
  });

  test("a new network namespace has a loopback interface that is up, and nothing else", async ({ box }) => {
    expect(await outputOf(box, sh("ping -c1 -W10 127.0.0.1 >/dev/null && ls /sys/class/net"))).toBe("lo\n");
  });

  needs(except({ crun: "takes it" }))("the same kind twice is refused", async ({ box }) => {
    expect(await refusalOf(box, namespaces("pid", "mount", "uts", "ipc", "uts"))).toMatch(/duplicate|namespace/);
  });

  test("an unknown kind is refused", async ({ box }) => {
    expect(await refusalOf(box, namespaces("pid", "mount", "galaxy"))).toMatch(/galaxy|namespace/);
  });
});

describe("joined namespaces", () => {
  const kinds = ["pid", "network", "ipc", "uts", "cgroup"];

  test("those of another container, in any order in the file", async ({ box }) => {
    const first = box.container(idle(), namespaces("mount", ...kinds));
    await first.create();
    await first.start();
    const { pid } = await first.state();
    const paths = kinds.map((kind) => `${kind}=/proc/${pid}/ns/${FILES[kind]}`);
    for (const order of [paths, [...paths].reverse()]) {
      const joined = namespaces(...order.slice(0, 2), "mount", ...order.slice(2));
      const output = await outputOf(box, show(kinds), joined, { hostname: undefined });
      expect(output.trim().split("\n")).toEqual(kinds.map((kind) => readlinkSync(`/proc/${pid}/ns/${FILES[kind]}`)));
    }
  });

  needs(except({ runc: "1.1 wants the maps again" }))(
    "the user namespace of another container, together with its others",
    async ({ box }) => {
      const maps = linux({ uidMappings: MAPS, gidMappings: MAPS });
      const first = box.container(idle(), namespaces("mount", "pid", "ipc", "uts", "network", "user"), maps);
      await first.create();
      await first.start();
      const { pid } = await first.state();
      const joined = ["network", "ipc", "user", "uts", "pid"].map((kind) => `${kind}=/proc/${pid}/ns/${FILES[kind]}`);
      const output = await outputOf(box, show(["user", "network"]), namespaces(...joined, "mount"), {
        hostname: undefined,
      });
      expect(output).toBe(`${readlinkSync(`/proc/${pid}/ns/user`)}\n${readlinkSync(`/proc/${pid}/ns/net`)}\n`);
    },
  );

  needs(oldTime)("the time namespace of another process", async ({ box }) => {
    const pid = await holder(box, ["--time", "--monotonic", "5000"]);
    const path = `/proc/${pid}/ns/time`;
    expect(await outputOf(box, show(["time"]), namespaces("mount", "pid", "ipc", "uts", `time=${path}`))).toBe(
      `${readlinkSync(path)}\n`,
    );
  });

  needs(except({ crun: "1.8 may not say why" }))("a path of another kind is refused", async ({ box }) => {
    const message = await refusalOf(box, namespaces("pid", "mount", "ipc", "uts", "network=/proc/self/ns/uts"));
    expect(message).toMatch(/namespace|network|EINVAL|invalid|Invalid/);
  });

  test("a path that does not exist is refused", async ({ box }) => {
    expect(await refusalOf(box, namespaces("pid", "mount", "ipc", "uts", "network=/no/such"))).toMatch(
      /no such file|does not exist|ENOENT/i,
    );
  });
});

describe("names and times", () => {
  test("hostname is set", async ({ box }) => {
    expect(await outputOf(box, { process: { args: ["hostname"] }, hostname: "a-name" })).toBe("a-name\n");
  });

  for (const kinds of [
    ["pid", "mount"],
    ["pid", "mount", "uts"],
  ]) {
    test(`empty ones set nothing: ${kinds.join(", ")}`, async ({ box }) => {
      const own = readFileSync("/proc/sys/kernel/hostname", "utf8");
      const names = { hostname: "", domainname: "" };
      expect(await outputOf(box, sh("hostname"), namespaces(...kinds), names)).toBe(own);
    });
  }

  test("a hostname without a uts namespace is refused", async ({ box }) => {
    expect(await refusalOf(box, namespaces("pid", "mount", "ipc"), { hostname: "x" })).toMatch(/uts|UTS/);
  });

  needs(except({ runc: "1.1 predates the field" }))("domainname is set", async ({ box }) => {
    const args = ["cat", "/proc/sys/kernel/domainname"];
    expect(await outputOf(box, { process: { args }, domainname: "example.org" })).toBe("example.org\n");
  });

  needs(oldTime, kernelFile("/proc/self/ns/time"))("time offsets are set", async ({ box }) => {
    const offsets = { timeOffsets: { monotonic: { secs: 1000, nanosecs: 5 }, boottime: { secs: 360_000 } } };
    const kinds = namespaces("pid", "mount", "ipc", "uts", "time");
    const output = await outputOf(box, sh("cat /proc/self/timens_offsets; cat /proc/uptime"), kinds, linux(offsets));
    expect(output).toMatch(/monotonic +1000 +5\n/);
    expect(output).toMatch(/boottime +360000 +0\n/);
    expect(Number(output.split("\n")[2]?.split(" ")[0])).toBeGreaterThan(360_000);
  });

  needs(oldTime)("time offsets without a new time namespace are refused", async ({ box }) => {
    expect(await refusalOf(box, linux({ timeOffsets: { monotonic: { secs: 1 } } }))).toMatch(/time/i);
  });
});

describe("id maps", () => {
  test("are written as given, and root inside is another outside", async ({ box }) => {
    const uidMappings = [
      { containerID: 0, hostID: 100_000, size: 1000 },
      { containerID: 5000, hostID: 200_000, size: 2 },
    ];
    const gidMappings = [{ containerID: 0, hostID: 300_000, size: 1000 }];
    const container = box.container(
      sh("cat /proc/self/uid_map /proc/self/gid_map; id -u; echo ready; sleep 1000"),
      namespaces("pid", "mount", "ipc", "uts", "network", "user"),
      linux({ uidMappings, gidMappings }),
    );
    box.makeReachable();
    expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
    await container.start();
    const words = (await container.untilOutput("ready")).split(/\s+/).filter(Boolean);
    expect(words).toEqual("0 100000 1000 5000 200000 2 0 300000 1000 0 ready".split(" "));
    const { pid } = await container.state();
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/Uid:\t100000\t/);
  });

  test("root inside need not be able to reach what is bound into it, nor the bundle", async ({ box }) => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const source = box.makeDirectory("closed/source");
    writeFileSync(join(source, "file"), "from a closed directory");
    chmodSync(box.path("closed"), 0o700);
    const root = box.makeDirectory("root");
    const container = box.container(
      namespaces("user", "pid", "mount", "ipc", "uts", "network"),
      linux({ uidMappings: maps, gidMappings: maps, maskedPaths: ["/etc"] }),
      { root: { path: root } },
      mounts(
        { destination: "/m", type: "bind", source, options: ["rbind", "ro"] },
        { destination: "/f", type: "bind", source: join(source, "file"), options: ["bind"] },
      ),
      sh("cat /m/file /f; ls /etc"),
    );
    makeRootfs(root);
    execFileSync("chown", ["-R", "100000:100000", root]);
    box.makeReachable();
    chmodSync(container.bundle, 0o700);
    expect(await container.run()).toMatchObject({ code: 0, stderr: "", stdout: "from a closed directory".repeat(2) });
  });

  needs(except({ runc: "1.1 leaves the group to nobody" }))("root inside owns its message queues", async ({ box }) => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const queues = { destination: "/dev/mqueue", type: "mqueue", source: "mqueue" };
    const script = "stat -c %u:%g /dev/mqueue; chmod 1770 /dev/mqueue; readlink /proc/self/ns/ipc";
    box.makeReachable();
    const output = await outputOf(
      box,
      namespaces("user", "pid", "mount", "ipc", "uts", "network"),
      linux({ uidMappings: maps, gidMappings: maps }),
      mounts(queues),
      sh(script),
    );
    expect(output).toMatch(/^0:0\nipc/);
    expect(output).not.toContain(link("ipc"));
  });

  needs(except({ runc: "1.1 takes its access away" }))(
    "a device is the host's node, of whomever the config says that it is",
    async ({ box }) => {
      // Podman gives a privileged container all of the host's devices with their owners there: groups may have no place in the map.
      const maps = [{ containerID: 0, hostID: 100_000, size: 10 }];
      const full = { type: "c", path: "/dev/full", major: 1, minor: 7, fileMode: 0o666, uid: 0, gid: 65_536 };
      box.makeReachable();
      const output = await outputOf(
        box,
        namespaces("user", "pid", "mount", "ipc", "uts", "network"),
        linux({ uidMappings: maps, gidMappings: maps, devices: [full] }),
        sh("stat -c %t:%T /dev/full; head -c 3 /dev/full | wc -c"),
      );
      expect(output).toBe("1:7\n3\n");
    },
  );

  test("tmpcopyup copies into a tmpfs that knows no other ids", async ({ box }) => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const container = box.container(
      namespaces("user", "pid", "mount", "ipc", "uts", "network"),
      linux({ uidMappings: maps, gidMappings: maps }),
      mounts({ destination: "/c", type: "tmpfs", source: "t", options: ["tmpcopyup"] }),
      sh("cat /c/below/*; stat -c '%u:%g %a' /c/below/closed; touch /c/new"),
    );
    container.writeFile("c/below/closed", "closed ", 0o600);
    container.writeFile("c/below/hosts", "host's", 0o644);
    execFileSync("chown", ["-R", "100000:100000", container.rootfs]);
    execFileSync("chown", ["101000:101000", join(container.rootfs, "c/below/closed")]);
    box.makeReachable();
    expect(await container.run()).toMatchObject({ code: 0, stdout: "closed host's1000:1000 600\n", stderr: "" });
  });

  needs(except({ runc: "1.1 wants the maps again", crun: "1.8 leaves them the caller's" }))(
    "a joined one's user gets the standard streams by the id that it has outside",
    async ({ box }) => {
      const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      const all = ["user", "pid", "mount", "ipc", "uts", "network"];
      const first = box.container(idle(), namespaces(...all), linux({ uidMappings: maps, gidMappings: maps }));
      box.makeReachable();
      expect(await first.create()).toMatchObject({ code: 0 });
      const { pid } = await first.state();
      const second = box.container(
        namespaces("pid", "mount", `user=/proc/${pid}/ns/user`, `network=/proc/${pid}/ns/net`),
        sh("id -u; echo there >/dev/stderr"),
        { hostname: undefined, process: { user: { uid: 1000, gid: 1000 } } },
      );
      expect(await second.create()).toMatchObject({ code: 0 });
      expect(statSync(box.path(`${second.id}.out`)).uid).toBe(101_000);
      await second.start();
      await second.until("stopped");
      expect([second.output(), second.errors()]).toEqual(["1000\n", "there\n"]);
    },
  );

  needs(except({ runc: "1.1 takes any", crun: "1.8 takes any" }))(
    "for a joined user namespace must be those that it has",
    async ({ box }) => {
      const map = (hostID: number, ...more: Json[]) => [{ containerID: 0, hostID, size: 1000 }, ...more];
      const other = { containerID: 2000, hostID: 5000, size: 1 };
      const own = linux({ uidMappings: map(100_000, other), gidMappings: map(100_000) });
      const first = box.container(idle(), namespaces("user", "pid", "mount", "ipc", "uts", "network"), own);
      box.makeReachable();
      expect(await first.create()).toMatchObject({ code: 0 });
      const { pid } = await first.state();
      const joined = namespaces("pid", "mount", "uts", `user=/proc/${pid}/ns/user`, `network=/proc/${pid}/ns/net`);
      const same = linux({ uidMappings: [other, ...map(100_000)], gidMappings: map(100_000) });
      expect(await outputOf(box, joined, same, sh("id -u"))).toBe("0\n");
      const wrong = linux({ uidMappings: map(100_000, other), gidMappings: map(100_001) });
      expect(await refusalOf(box, joined, wrong)).toContain("linux.gidMappings: the user namespace");
    },
  );

  needs(except({ crun: "fails later, at devpts" }))("a new user namespace without maps is refused", async ({ box }) => {
    expect(await refusalOf(box, namespaces("pid", "mount", "ipc", "uts", "user"))).toMatch(/map|user/i);
  });
});

describe("sysctl", () => {
  const rows: [key: string, value: string, path: string][] = [
    ["net.ipv4.ip_forward", "1", "net/ipv4/ip_forward"],
    ["net/ipv4/ip_default_ttl", "33", "net/ipv4/ip_default_ttl"],
    ["kernel.shmmni", "4242", "kernel/shmmni"],
    ["kernel.msgmax", "4321", "kernel/msgmax"],
    ["fs.mqueue.msg_max", "11", "fs/mqueue/msg_max"],
  ];
  for (const [key, value, path] of rows) {
    test(`${key} is set in the container only`, async ({ box }) => {
      const before = readFileSync(`/proc/sys/${path}`, "utf8");
      expect(before).not.toBe(`${value}\n`);
      const output = await outputOf(box, sh(`cat /proc/sys/${path}`), linux({ sysctl: { [key]: value } }));
      expect(output).toBe(`${value}\n`);
      expect(readFileSync(`/proc/sys/${path}`, "utf8")).toBe(before);
    });
  }

  const refused: [name: string, sysctl: Record<string, string>, kinds: string[]][] = [
    ["one that has no namespace", { "kernel.panic": "1" }, ["pid", "mount", "ipc", "uts", "network"]],
    ["one of the network without a network namespace", { "net.ipv4.ip_forward": "0" }, ["pid", "mount", "ipc", "uts"]],
    ["one of ipc without an ipc namespace", { "kernel.shmmni": "4096" }, ["pid", "mount", "uts", "network"]],
    ["kernel.hostname, which has a field", { "kernel.hostname": "x" }, ["pid", "mount", "ipc", "uts", "network"]],
  ];
  for (const [name, sysctl, kinds] of refused) {
    test(`${name} is refused`, async ({ box }) => {
      expect(await refusalOf(box, namespaces(...kinds), linux({ sysctl }))).toMatch(/sysctl/);
    });
  }

  needs(except({ crun: "1.8 compares no namespaces" }))(
    "one of the network is refused when the joined network namespace is the host's",
    async ({ box }) => {
      const kinds = namespaces("pid", "mount", "ipc", "uts", "network=/proc/self/ns/net");
      const sysctl = { "net.ipv4.ip_default_ttl": "64" };
      expect(await refusalOf(box, kinds, linux({ sysctl }), { mounts: plainMounts() })).toMatch(/sysctl/);
    },
  );
});

/** A mount table that needs no namespace but mount and pid. */
function plainMounts() {
  return [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
  ];
}
