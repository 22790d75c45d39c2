// Runs in a mount namespace of its own in which /sys/fs/cgroup is cgroup v2, as on a host without v1, and prints what it
// saw as JSON. The name of the cgroup is its argument. Which controllers there are depends on the real host.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Cgroup } from "../../../src/linux/cgroups/cgroup.ts";
import { createCgroup } from "../../../src/linux/cgroups/create.ts";
import { cgroupHost } from "../../../src/linux/cgroups/host.ts";

const name = process.argv[2] ?? "none";
const top = `/sys/fs/cgroup/${name}`;
const read = (path: string) => readFileSync(path, "utf8").trim();

function attempt(action: () => unknown): string {
  try {
    return String(action());
  } catch (error) {
    return (error as Error).message;
  }
}

const host = cgroupHost();
const path = `/${name}/parent/box`;
const cgroup = createCgroup(host, { id: "box", cgroupsPath: path });
const seen: Record<string, unknown> = {
  mode: host.mode,
  directory: cgroup.directory("memory"),
  available: read("/sys/fs/cgroup/cgroup.controllers"),
  handedOn: read(`${top}/parent/cgroup.subtree_control`),
  own: read(`${top}/parent/box/cgroup.controllers`),
};
{
  using join = cgroup.open();
  seen.tasks = join.tasks.length;
  seen.opened = join.directory !== undefined;
}
seen.unavailable = attempt(() => cgroup.apply({ memory: { limit: 1 << 20 } }));

const enter = `echo 0 >${top}/parent/box/cgroup.procs`;
const readable = (node: string) => `true <${node} && echo ${node}`;
const open = `${enter} && { ${readable("/dev/kmsg")}; ${readable("/dev/full")}; }`;
seen.open = spawnSync("/bin/busybox", ["sh", "-c", open], { encoding: "utf8" }).stdout;
// Rules that cannot be put in force: the cgroup goes with them.
const rules = [{ allow: true, type: "b", major: 2 ** 32, minor: 0 }] as const;
seen.devices = attempt(() =>
  createCgroup(host, { id: "x", cgroupsPath: `/${name}/x`, resources: { devices: [...rules] } }),
);
seen.devicesLeft = existsSync(`${top}/x`);

const child = spawn("/bin/busybox", ["sleep", "1000"], { stdio: "ignore" });
mkdirSync(`${top}/parent/box/sub`);
writeFileSync(`${top}/parent/box/sub/cgroup.procs`, String(child.pid));
seen.pids = cgroup.pids().length;
seen.inUse = attempt(() => createCgroup(host, { id: "box", cgroupsPath: path }));
writeFileSync(`${top}/parent/box/cgroup.freeze`, "1");
const again = Cgroup.fromRecord(JSON.parse(JSON.stringify(cgroup.record())));
seen.frozen = again.frozen();
again.killAll();
again.remove();
seen.left = existsSync(`${top}/parent/box`);

// Below a threaded cgroup a new one is invalid until it is made threaded.
mkdirSync(`${top}/threads/inner`, { recursive: true });
writeFileSync(`${top}/threads/inner/cgroup.type`, "threaded");
const threaded = createCgroup(host, { id: "t", cgroupsPath: `/${name}/threads/t` });
seen.type = read(`${top}/threads/t/cgroup.type`);
threaded.remove();
seen.threadedLimit = attempt(() =>
  createCgroup(host, { id: "t", cgroupsPath: `/${name}/threads/t`, resources: { memory: { limit: 1 } } }),
);
seen.threadedLeft = existsSync(`${top}/threads/t`);

child.once("exit", (_, signal) => {
  seen.signal = signal;
  console.log(JSON.stringify(seen));
});
