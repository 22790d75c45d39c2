// Configurations of containers that faults are tried on.

import { readFileSync } from "node:fs";
import type { Json } from "../root/harness/config.ts";
import { REPORTER } from "./subject.ts";

/** Namespaces, a root file system and a place for devices, and no more. */
export const SMALL: Json = {
  process: { ...REPORTER, terminal: undefined, capabilities: undefined },
  hostname: undefined,
  mounts: [{ destination: "/dev", type: "tmpfs", source: "tmpfs" }],
  linux: { namespaces: [{ type: "pid" }, { type: "mount" }], resources: undefined },
};

const hook = { path: "/bin/true", timeout: 5 };
const mapping = { containerID: 0, hostID: 100_000, size: 65_536 };

/** What Docker asks for, and what it can be told to ask for besides. */
export function dockerLike(): Json {
  const docker = JSON.parse(readFileSync(new URL("../../bench/docker.json", import.meta.url), "utf8"));
  const inside = docker.mounts.filter(({ type }: { type: string }) => type !== "bind");
  return {
    ...docker,
    process: {
      ...docker.process,
      ...REPORTER,
      terminal: true,
      consoleSize: { height: 20, width: 70 },
      user: { uid: 1, gid: 2, additionalGids: [3], umask: 0o27 },
      cwd: "/tmp",
      env: ["PATH=/bin", "A=b"],
      noNewPrivileges: true,
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 300, hard: 400 }],
      oomScoreAdj: 100,
    },
    domainname: "domain",
    mounts: inside,
    hooks: Object.fromEntries(
      ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"].map((kind) => [
        kind,
        [hook],
      ]),
    ),
    linux: {
      ...docker.linux,
      ...{ uidMappings: [mapping], gidMappings: [mapping] },
      namespaces: ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"].map((type) => ({ type })),
      sysctl: { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 65535" },
      timeOffsets: { monotonic: { secs: 5 } },
      resources: { ...docker.linux.resources, memory: { limit: 1 << 29 }, pids: { limit: 100 } },
    },
  };
}
