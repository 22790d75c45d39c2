import { describe, expect, it } from "vitest";
import { planMount } from "../../src/linux/mounts.ts";
import { planSysctl, sysctlPath } from "../../src/linux/sysctl.ts";
import { config, created, host, inRoot } from "./sample.ts";

describe("The path of a parameter", () => {
  it.each([
    ["kernel.shmmax", "kernel/shmmax"],
    ["net/ipv4/ip_forward", "net/ipv4/ip_forward"],
    ["net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"],
    ["net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"],
    ["single", "single"],
  ])("%s", (key, path) => {
    expect(sysctlPath(key)).toBe(path);
  });
});

describe("Parameters", () => {
  const sysctl = { "kernel.domainname": "é", "net.ipv4.ip_forward": "1" };

  it("are written in order through a procfs of tsrun's own, below which nothing can lead elsewhere", () => {
    expect(inRoot(config({ sysctl }), planSysctl).lines).toEqual([
      'fsopen("proc", FSOPEN_CLOEXEC)',
      "fsconfig(#2, FSCONFIG_CMD_CREATE)",
      "fsmount(#2, FSMOUNT_CLOEXEC, 0)",
      "close(#2)",
      ...[
        ["kernel/domainname", "é"],
        ["net/ipv4/ip_forward", "1"],
      ].flatMap(([path, value]) => [
        `openat2(#3, "sys/${path}", {flags=O_WRONLY|O_CLOEXEC, resolve=RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS|RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH})`,
        `write(#2, "${value}")`,
        "close(#2)",
      ]),
    ]);
  });

  it("are written through the host's procfs in a user namespace that may mount none, if it is one", () => {
    const namespaces = created("user", "mount", "uts");
    const { lines } = inRoot(config({ sysctl }), planSysctl, { namespaces });
    expect(lines[0]).toBe('openat(AT_FDCWD, "/proc", O_PATH|O_DIRECTORY|O_CLOEXEC)');
    expect(lines.join()).not.toContain("fsopen");
    const nested = host({ inUserNamespace: () => true });
    const inside = inRoot(config({ sysctl }), planSysctl, { namespaces: created("mount", "uts"), host: nested });
    expect(inside.lines[0]).toBe(lines[0]);
    const other = host({ isProcfs: () => false });
    expect(() => inRoot(config({ sysctl }), planSysctl, { namespaces, host: other })).toThrow("no procfs");
  });

  it("are written through the container's procfs where that is open anyway", () => {
    const lines = inRoot(config({ sysctl }), (to) => {
      planMount(to, { destination: "/proc", type: "proc" }, 0);
      planSysctl(to);
    }).lines;
    expect(lines.filter((line) => line.startsWith("fsopen"))).toHaveLength(1);
  });

  it("that are none need no procfs", () => {
    expect(inRoot(config({ sysctl: {} }), planSysctl).lines).toEqual([]);
  });

  it.each([
    ["net/core/somaxconn", "network"],
    ["kernel.msgmax", "ipc"],
    ["fs.mqueue.msg_max", "ipc"],
    ["kernel.domainname", "uts"],
    ["user.max_user_namespaces", "user"],
  ] as const)("%s is refused where the %s namespace is the host's own, not where it is another's", (key, type) => {
    const join = (isTheHosts: boolean) => () =>
      inRoot(config({ sysctl: { [key]: "1" } }), planSysctl, {
        namespaces: {
          created: new Set(["mount"]),
          joined: [{ type, path: "/proc/1/ns/x", fd: 3, isTheHosts, index: 0 }],
        },
      });
    expect(join(true)).toThrow(`linux.sysctl["${key}"]: the ${type} namespace is the host's`);
    expect(join(false)).not.toThrow();
  });
});
