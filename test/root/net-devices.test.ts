// linux.netDevices: the host's devices in the container's network namespace, with their addresses (config-linux.md "Network
// Devices"). "The host" is a network namespace that the test makes and calls the runtime in: this machine's own is let be.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, type Json, linux, namespaces, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { except, kernelFile, needs, program } from "./harness/needs.ts";
import type { Result } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";
import { untilItWaits } from "./harness/until.ts";

const has = [program("ip"), program("nsenter"), except({ runc: "1.1 knows none", crun: "1.8 knows none" })];
const both = needs(...has);
const v6 = needs(...has, kernelFile("/proc/sys/net/ipv6"));
const MAPS = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const USER: readonly Json[] = [
  namespaces("user", "pid", "mount", "ipc", "uts", "network"),
  linux({ uidMappings: MAPS, gidMappings: MAPS }),
];

interface Link {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly address: string;
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
    readonly label?: string;
    readonly broadcast?: string;
    readonly address?: string;
    readonly noprefixroute?: boolean;
  }[];
}

/** A network namespace with a process in it. */
class Network {
  readonly pid: number;
  constructor(pid: number) {
    this.pid = pid;
  }
  get under(): string[] {
    return ["nsenter", `--net=/proc/${this.pid}/ns/net`];
  }
  ip(...words: string[]): string {
    const [program = "", ...rest] = [...this.under, "ip", ...words];
    return execFileSync(program, rest, { encoding: "utf8" });
  }
  links(): Link[] {
    return JSON.parse(this.ip("-json", "addr")) as Link[];
  }
  link(name: string): Link | undefined {
    return this.links().find(({ ifname }) => ifname === name);
  }
  names(): string[] {
    return this.links().map(({ ifname }) => ifname);
  }
  /** IPv4 and global IPv6 addresses of a device; those of its link the kernel makes up. */
  addresses(name: string): string[] {
    const all = this.link(name)?.addr_info ?? [];
    return all.filter(({ local }) => !local.startsWith("fe80:")).map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  }
}

/** A network namespace of the test's own, in which there are pairs of devices: NAME, down, with its peer NAMEp. */
async function host(box: Sandbox, ...pairs: string[]): Promise<Network> {
  const child = spawn("unshare", ["--net", "sh", "-c", "echo up; exec sleep 7200"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  box.defer(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const network = new Network(child.pid ?? 0);
  for (const name of pairs) network.ip("link", "add", name, "type", "veth", "peer", "name", `${name}p`);
  return network;
}

const wants = (netDevices: Json): Json => linux({ netDevices });

async function created(on: Network, container: Container): Promise<Network> {
  expect(await container.create([], { under: on.under })).toMatchObject({ code: 0, stderr: "" });
  return new Network((await container.state()).pid);
}

/** A create that is refused, and the words. */
async function refused(box: Sandbox, on: Network, ...overrides: Json[]): Promise<string> {
  const result: Result = await box.container(...overrides).create([], { under: on.under });
  expect(result.code).toBe(1);
  return result.stderr;
}

describe("a device", () => {
  for (const [word, users] of [
    ["without", []],
    ["with", USER],
  ] as const) {
    both(`is the container's, with its permanent global addresses, up, ${word} a user namespace`, async ({ box }) => {
      const on = await host(box, "dev0");
      on.ip("addr", "add", "10.1.2.3/24", "brd", "10.1.2.255", "dev", "dev0");
      on.ip("addr", "add", "10.1.2.4/24", "dev", "dev0"); // a second one of that network
      on.ip("addr", "add", "10.9.0.1", "peer", "10.9.0.2/31", "dev", "dev0", "label", "dev0:x");
      on.ip("addr", "add", "10.5.0.1/24", "dev", "dev0", "noprefixroute");
      on.ip("addr", "add", "10.6.0.1/24", "dev", "dev0", "scope", "link");
      on.ip("addr", "add", "10.7.0.1/24", "dev", "dev0", "valid_lft", "1000", "preferred_lft", "1000");
      on.ip("link", "set", "dev0", "mtu", "1400");
      const before = on.link("dev0");
      if (word === "with") box.makeReachable();
      const inside = await created(on, box.container(idle(), ...users, wants({ dev0: {} })));
      expect(on.names()).toEqual(["lo", "dev0p"]);
      const after = inside.link("dev0");
      expect(after).toMatchObject({ mtu: 1400, address: before?.address });
      expect(after?.flags).toContain("UP");
      const kept = before?.addr_info.filter(({ local }) => !/^10\.[67]\./.test(local)).map(told);
      expect(after?.addr_info.filter(({ local }) => !local.startsWith("fe80")).map(told)).toEqual(kept);
      expect(kept).toHaveLength(4);
    });
  }

  v6("keeps its IPv6 addresses", async ({ box }) => {
    const on = await host(box, "dev0");
    on.ip("addr", "add", "fd00:1::5/64", "dev", "dev0", "nodad");
    on.ip("addr", "add", "fd00:2::5/128", "dev", "dev0");
    const inside = await created(on, box.container(idle(), wants({ dev0: { name: "net0" } })));
    expect(inside.addresses("net0").sort()).toEqual(["fd00:1::5/64", "fd00:2::5/128"]);
    expect(inside.ip("addr", "show", "dev", "net0")).toMatch(/fd00:1::5.*nodad/);
  });

  both("gets another name, a label does not come along, and others get theirs by template", async ({ box }) => {
    const on = await host(box, "dev0", "dev1", "eth1");
    on.ip("addr", "add", "10.1.2.3/24", "dev", "dev0", "label", "dev0:x");
    const names = { dev0: { name: "eth1" }, eth1: { name: "eth%d" }, dev1: { name: "eth%d" } };
    const inside = await created(on, box.container(idle(), wants(names)));
    expect(inside.names().sort()).toEqual(["eth0", "eth1", "eth2", "lo"]);
    expect(inside.link("eth1")?.addr_info[0]).toMatchObject({ local: "10.1.2.3", label: "eth1" });
    expect(on.names()).not.toContain("dev0");
  });

  both(
    "is there for hooks and for the program of run, and its name can be that of one there on the host",
    async ({ box }) => {
      const on = await host(box, "dev0", "net0");
      const container = box.container(sh("ls /sys/class/net | tr '\\n' ' '"), wants({ dev0: { name: "net0" } }), {
        hooks: {
          createContainer: [{ path: "/bin/sh", args: ["sh", "-c", `cat /proc/self/net/dev >${box.path("seen")}`] }],
        },
      });
      const result = await container.run([], { under: on.under });
      expect(result).toMatchObject({ code: 0, stderr: "", stdout: "lo net0 " });
      expect(
        readFileSync(box.path("seen"), "utf8")
          .match(/\w+(?=:)/g)
          ?.sort(),
      ).toEqual(["lo", "net0"]);
      // The peer of what ended with the container ends too, a moment later.
      expect(
        on
          .names()
          .filter((name) => name !== "dev0p")
          .sort(),
      ).toEqual(["lo", "net0", "net0p"]);
    },
  );

  both("goes into a network namespace that is joined, of whosever user namespace", async ({ box }) => {
    const on = await host(box, "dev0");
    const pod = await host(box);
    on.ip("addr", "add", "10.1.2.3/24", "dev", "dev0");
    box.makeReachable();
    const joined = namespaces("user", "pid", "mount", "ipc", "uts", `network=/proc/${pod.pid}/ns/net`);
    const maps = linux({ uidMappings: MAPS, gidMappings: MAPS });
    const dev = { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"] };
    const mounts = { mounts: [{ destination: "/proc", type: "proc", source: "proc" }, dev] };
    await created(on, box.container(idle(), joined, maps, mounts, wants({ dev0: {} })));
    expect(pod.addresses("dev0")).toEqual(["10.1.2.3/24"]);
  });
});

both("one that is moved and cannot be named there is given back", async ({ box }) => {
  const on = await host(box, "dev0");
  on.ip("addr", "add", "10.1.2.3/24", "dev", "dev0");
  // The kernel moves it, and then finds that the name is in use: by itself.
  on.ip("link", "property", "add", "dev", "dev0", "altname", "mine");
  expect(await refused(box, on, wants({ dev0: { name: "mine" } }))).toMatch(/netDevices \(dev0\): EEXIST/);
  expect(on.addresses("dev0")).toEqual(["10.1.2.3/24"]);
});

describe("refused, and left where it is, is", () => {
  const rows: [what: string, devices: Json, words: RegExp, overrides?: Json][] = [
    ["a device that is not there", { dev0: {}, dev9: {} }, /netDevices \(dev9\): there is no such network device/],
    ["one that cannot be moved", { dev0: {}, lo: { name: "lo1" } }, /netDevices \(lo\): .*E(INVAL|OPNOTSUPP)/],
    ["a name that the container has", { dev0: { name: "lo" } }, /netDevices \(dev0\): the container has .* lo already/],
    ["a name that no device can have", { dev0: { name: "a/b" } }, /netDevices\/dev0\/name/],
    ["a name that is no template", { dev0: { name: "eth%" } }, /netDevices\/dev0\/name/],
    [
      "any, without a network namespace",
      { dev0: {} },
      /needs a network namespace/,
      namespaces("pid", "mount", "ipc", "uts"),
    ],
  ];
  for (const [what, devices, words, more] of rows) {
    both(what, async ({ box }) => {
      const on = await host(box, "dev0");
      on.ip("addr", "add", "10.1.2.3/24", "dev", "dev0");
      on.ip("link", "set", "dev0", "up");
      expect(await refused(box, on, wants(devices), more ?? {})).toMatch(words);
      expect(on.addresses("dev0")).toEqual(["10.1.2.3/24"]);
      expect(on.link("dev0")?.flags).toContain("UP");
    });
  }

  both("a name that another there has beside its own", async ({ box }) => {
    const on = await host(box, "dev0");
    const pod = await host(box, "dev1");
    pod.ip("link", "property", "add", "dev", "dev1", "altname", "eth0");
    const joined = namespaces("pid", "mount", "ipc", "uts", `network=/proc/${pod.pid}/ns/net`);
    expect(await refused(box, on, joined, wants({ dev0: { name: "eth0" } }))).toMatch(/container has .* eth0 already/);
    expect(on.names()).toContain("dev0");
  });

  both("any, for a network namespace that is the host's", async ({ box }) => {
    const on = await host(box, "dev0");
    const own = namespaces("pid", "mount", "ipc", "uts", `network=/proc/${on.pid}/ns/net`);
    expect(await refused(box, on, own, wants({ dev0: { name: "x" } }))).toContain("is the host's own");
    expect(on.names()).toContain("dev0");
  });

  both("any, for a user who is not root", async ({ box }) => {
    const on = await host(box, "dev0");
    box.makeReachable();
    const container = box.container(wants({ dev0: {} }));
    const user = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"];
    const result = await container.create([], { under: [...on.under, ...user] });
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining("netDevices: only root can move") });
    expect(on.names()).toContain("dev0");
  });
});

describe("of a create that fails", () => {
  const FAILS = { hooks: { createRuntime: [{ path: "/bin/false" }] } };

  both("all devices are given back as they were", async ({ box }) => {
    const on = await host(box, "dev0", "dev1", "down");
    on.ip("addr", "add", "10.1.2.3/24", "brd", "+", "dev", "dev0", "label", "dev0:x");
    on.ip("addr", "add", "10.6.0.1/24", "dev", "dev0", "scope", "link");
    for (const name of ["dev0", "dev1"]) on.ip("link", "set", name, "up");
    const shape = () =>
      on.links().map(({ ifname, flags, addr_info }) => {
        const addresses = addr_info.filter(({ local }) => !local.startsWith("fe80")).map(told);
        return { ifname, up: flags.includes("UP"), addresses };
      });
    const before = shape();
    expect(before.find(({ ifname }) => ifname === "dev0")?.addresses).toHaveLength(2);
    // Each has another's name there.
    const names = { dev0: { name: "dev1" }, dev1: { name: "dev0" }, down: { name: "eth%d" } };
    await refused(box, on, wants(names), FAILS);
    expect(shape().sort(byName)).toEqual(before.sort(byName));
  });

  both("which joins a network namespace, it does not stay there", async ({ box }) => {
    const on = await host(box, "dev0");
    const pod = await host(box, "dev1");
    const joined = namespaces("pid", "mount", "ipc", "uts", `network=/proc/${pod.pid}/ns/net`);
    await refused(box, on, joined, wants({ dev0: { name: "eth0" } }), FAILS);
    expect(pod.names().sort()).toEqual(["dev1", "dev1p", "lo"]);
    expect(on.names().sort()).toEqual(["dev0", "dev0p", "lo"]);
  });

  both("it is told where it cannot be given back", async ({ box }) => {
    const on = await host(box, "dev0");
    const takes = `nsenter --net=/proc/${on.pid}/ns/net ip link add dev0 type veth peer name other; false`;
    const hooks = {
      createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", takes], env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] }],
    };
    const said = await refused(box, on, wants({ dev0: { name: "net0" } }), { hooks });
    expect(said).toMatch(/createRuntime/);
    expect(said).toMatch(/netDevices \(dev0\): cannot be given back to the host: EEXIST/);
  });
});

describe("of a container that ends", () => {
  both("the network namespace is held by nobody", async ({ box }) => {
    const on = await host(box, "dev0");
    const container = box.container(idle(), wants({ dev0: {} }));
    const running = container.beginRun([], { under: on.under });
    await container.untilRunning();
    const init = (await container.state()).pid;
    const parent = execFileSync("ps", ["-o", "ppid=", "-p", String(init)], { encoding: "utf8" }).trim();
    await untilItWaits(Number(parent));
    const open = execFileSync("sh", ["-c", `ls -l /proc/${parent}/fd`], { encoding: "utf8" });
    expect(open).not.toMatch(/net:\[/);
    const sockets = execFileSync("sh", ["-c", `ls -l /proc/${parent}/fd | grep -c socket: || true`], {
      encoding: "utf8",
    });
    const plain = box.container(idle());
    const other = plain.beginRun([], { under: on.under });
    await plain.untilRunning();
    const otherInit = (await plain.state()).pid;
    const otherParent = execFileSync("ps", ["-o", "ppid=", "-p", String(otherInit)], { encoding: "utf8" }).trim();
    await untilItWaits(Number(otherParent));
    expect(sockets).toBe(
      execFileSync("sh", ["-c", `ls -l /proc/${otherParent}/fd | grep -c socket: || true`], { encoding: "utf8" }),
    );
    for (const one of [container, plain]) await one.kill("KILL");
    await Promise.all([running, other]);
  });
});

function told({ local, prefixlen, scope, broadcast, address, noprefixroute, label }: Link["addr_info"][number]) {
  return { local, prefixlen, scope, broadcast, address, noprefixroute, label };
}

function byName(a: { ifname: string }, b: { ifname: string }): number {
  return a.ifname < b.ifname ? -1 : 1;
}
