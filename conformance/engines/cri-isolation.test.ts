// What a pod's specification says about isolation, through containerd's CRI service on the runtime under test: runtime classes,
// namespaces, users, capabilities, filters, mounts, devices.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { kernelFile, needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { cniIsThere } from "./cri/cni.ts";
import { containerdIsThere, containerdOfFile, since } from "./cri/containerd.ts";
import { blockOfPage } from "./cri/page.ts";
import { runPod } from "./cri/pods.ts";

const cri = containerdOfFile();
const needsCri = needs(containerdIsThere);

/** A process that waits and that TERM ends. */
const WAITS = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";

/** A field of the status of what runs in a container. */
const field = (name: string) => `sed -n 's/^${name}:[[:space:]]*//p' /proc/self/status`;

needsCri("cri: runtime class", async ({ box }) => {
  const handler = /^handler: (.*)$/m.exec(blockOfPage("# runtimeclass.yaml"))?.[1] ?? "none";
  const pod = await runPod(cri(), box, { handler });
  const { status, info } = await cri().call("PodSandboxStatus", { pod_sandbox_id: pod.id, verbose: true });
  expect(status.runtime_handler).toBe("tsrun");
  const { runtimeType, runtimeOptions } = JSON.parse(info.info ?? "{}");
  expect({ runtimeType, program: runtimeOptions.binary_name }).toEqual({
    ...{ runtimeType: "io.containerd.runc.v2", program: expect.stringMatching(/runtime$|tsrun$|runc$|crun$/) },
  });
  await expect(runPod(cri(), box, { handler: "no-such-class" })).rejects.toThrow(/no runtime for "no-such-class"/);
});

needs(containerdIsThere, since(2, 0, "features of runtime classes"))(
  "cri: features of the runtime class, as the runtime tells them",
  async () => {
    const { runtime_handlers } = await cri().call("Status", {});
    const ours = runtime_handlers.find(({ name }) => name === "tsrun");
    expect(ours?.features).toEqual({ recursive_read_only_mounts: true, user_namespaces: true });
  },
);

needsCri("cri: pid namespace of the container, the pod, the node, another container", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const target = await pod.start(`echo target; ${WAITS}`);
  await target.says("ready");
  expect(await pod.run("echo $$")).toBe("1\n");
  const namespace_options = { pid: "TARGET", target_id: target.id };
  expect(await pod.run("ps -o args", { security: { namespace_options } })).toContain("echo target");
  const onNode = await runPod(cri(), box, { namespaces: { pid: "NODE" } });
  const seen = await onNode.run(`readlink /proc/self/ns/pid; tr '\\0' ' ' </proc/${process.pid}/cmdline`);
  expect(seen).toContain(readlinkSync("/proc/self/ns/pid"));
  expect(seen).toContain(readFileSync("/proc/self/cmdline", "utf8").replaceAll("\0", " "));
});

needsCri("cri: pid namespace that a pod shares", async ({ box }) => {
  const pod = await runPod(cri(), box, { namespaces: { pid: "POD" } });
  const other = await pod.start(`echo other; ${WAITS}`);
  await other.says("ready");
  const seen = await pod.run("echo pid $$; ps -o pid,args");
  expect(seen).toMatch(/^pid [^1]/);
  expect(seen).toMatch(/^ *1 .*sleep 1000/m);
  expect(seen).toContain("echo other");
  await other.stop(10);
  expect(await other.status()).toMatchObject({ state: "CONTAINER_EXITED", exit_code: 0 });
});

needsCri("cri: ipc and network namespace of the pod and of the node", async ({ box }) => {
  const pod = await runPod(cri(), box);
  await pod.run("echo shared >/dev/shm/file");
  const ours = await pod.run("cat /dev/shm/file; readlink /proc/self/ns/ipc");
  const [text, ipc] = ours.split("\n");
  expect(text).toBe("shared");
  expect(ipc).not.toBe(readlinkSync("/proc/self/ns/ipc"));
  expect(await pod.run("readlink /proc/self/ns/ipc; readlink /proc/self/ns/net")).toBe(
    `${ipc}\n${readlinkSync("/proc/self/ns/net")}\n`,
  );
  const onNode = await runPod(cri(), box, { namespaces: { ipc: "NODE" } });
  expect(await onNode.run("readlink /proc/self/ns/ipc")).toBe(`${readlinkSync("/proc/self/ns/ipc")}\n`);
});

needsCri("cri: sysctls of the pod", async ({ box }) => {
  const pod = await runPod(cri(), box, { sysctls: { "kernel.shm_rmid_forced": "1", "kernel.msgmax": "4242" } });
  expect(await pod.run("cat /proc/sys/kernel/shm_rmid_forced /proc/sys/kernel/msgmax")).toBe("1\n4242\n");
});

needsCri("cri: user, group and supplemental groups", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const who = "id -u; id -g; id -G | tr ' ' '\\n' | sort -n | tr '\\n' ' '";
  const security = { run_as_user: { value: 1000 }, run_as_group: { value: 7 }, supplemental_groups: [3000, 3001] };
  const [uid, gid, groups] = (await pod.run(who, { security })).split("\n");
  expect([uid, gid]).toEqual(["1000", "7"]);
  expect(groups?.split(" ")).toEqual(expect.arrayContaining(["7", "3000", "3001"]));
  // The image's /etc/group has user in one more.
  const byName = await pod.run(who, { security: { run_as_username: "user" } });
  expect(byName).toMatch(/^1000\n1000\n.*2000/);
});

needsCri("cri: capabilities added and dropped", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const effective = async (capabilities: object) => {
    return BigInt(`0x${(await pod.run(field("CapEff"), { security: { capabilities } })).trim()}`);
  };
  const [NET_RAW, NET_ADMIN] = [1n << 13n, 1n << 12n];
  const usual = await effective({});
  expect(usual & (NET_RAW | NET_ADMIN)).toBe(NET_RAW);
  expect(await effective({ add_capabilities: ["NET_ADMIN"], drop_capabilities: ["NET_RAW"] })).toBe(
    (usual & ~NET_RAW) | NET_ADMIN,
  );
  expect(await effective({ drop_capabilities: ["ALL"] })).toBe(0n);
  expect(await effective({ drop_capabilities: ["ALL"], add_capabilities: ["NET_ADMIN"] })).toBe(NET_ADMIN);
});

needsCri("cri: privileged container", async ({ box }) => {
  const pod = await runPod(cri(), box, { security: { privileged: true } });
  const script = [
    `${field("CapEff")}; ${field("Seccomp")}`,
    "mount -t tmpfs tmpfs /mnt 2>/dev/null || { mkdir /mnt && mount -t tmpfs tmpfs /mnt; } && echo mounted",
    "echo 4243 >/proc/sys/kernel/msgmax && cat /proc/sys/kernel/msgmax",
    "ls /dev/loop-control /dev/kmsg 2>/dev/null | head -1; head -c 1 /dev/zero | wc -c",
  ].join("\n");
  const [capabilities, ...others] = (await pod.run(script, { security: { privileged: true } })).trim().split("\n");
  const own = /^CapEff:\s*(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  expect(capabilities).toBe(own);
  const device = ["/dev/kmsg", "/dev/loop-control"].filter((path) => existsSync(path)).slice(0, 1);
  expect(others).toEqual(["0", "mounted", "4243", ...device, "1"]);
});

needsCri("cri: read-only root file system, no new privileges, masked and read-only paths", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const script = [
    `touch /file 2>&1; touch /dev/shm/file && echo there; ${field("NoNewPrivs")}`,
    "wc -c </proc/uptime; (echo 1 >/proc/sys/kernel/msgmax) 2>&1",
  ].join("\n");
  const security = {
    ...{ readonly_rootfs: true, no_new_privs: true },
    ...{ masked_paths: ["/proc/uptime"], readonly_paths: ["/proc/sys"] },
  };
  const output = await pod.run(`${script}; true`, { security });
  const refused = "sh: can't create /proc/sys/kernel/msgmax: Read-only file system";
  expect(output).toBe(`touch: /file: Read-only file system\nthere\n1\n0\n${refused}\n`);
});

needsCri("cri: seccomp profiles: the runtime's default, none, one of the node", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const run = (seccomp: object, script = field("Seccomp")) => pod.run(script, { security: { seccomp } });
  expect(await run({ profile_type: "RuntimeDefault" })).toBe("2\n");
  expect(await run({ profile_type: "Unconfined" })).toBe("0\n");
  const names = ["mkdir", "mkdirat"];
  const profile = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names, action: "SCMP_ACT_ERRNO", errnoRet: 28 }] };
  writeFileSync(box.path("profile.json"), JSON.stringify(profile));
  const refused = await run(
    { profile_type: "Localhost", localhost_ref: box.path("profile.json") },
    `${field("Seccomp")}; mkdir /tmp/x 2>&1; touch /tmp/y && echo touched`,
  );
  expect(refused).toBe("2\nmkdir: can't create directory '/tmp/x': No space left on device\ntouched\n");
});

needs(
  containerdIsThere,
  kernelFile("/sys/kernel/security/apparmor"),
  program("apparmor_parser"),
)("cri: AppArmor profiles: the runtime's default, none, one of the node", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const run = (apparmor: object, script = "cat /proc/self/attr/current") => pod.run(script, { security: { apparmor } });
  expect(await run({ profile_type: "RuntimeDefault" })).toBe("cri-containerd.apparmor.d (enforce)\n");
  expect(await run({ profile_type: "Unconfined" })).toBe("unconfined\n");
  const rules = `file, capability, network, signal, umount, deny /tmp/forbidden w,`;
  const profile = `profile ${box.word} flags=(attach_disconnected,mediate_deleted) { ${rules} }`;
  execFileSync("apparmor_parser", ["--add", "--skip-cache"], { input: profile });
  box.defer(() => void spawnSync("apparmor_parser", ["--remove"], { input: profile }));
  const confined = await run(
    { profile_type: "Localhost", localhost_ref: box.word },
    "cat /proc/self/attr/current; touch /tmp/allowed; touch /tmp/forbidden 2>&1; true",
  );
  expect(confined).toBe(`${box.word} (enforce)\ntouch: /tmp/forbidden: Permission denied\n`);
});

needsCri("cri: mounts of the host, read-only ones too", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const volume = volumeWithSubmount(box);
  const mounts = [
    { host_path: volume, container_path: "/rw" },
    { host_path: volume, container_path: "/ro", readonly: true },
  ];
  const script = "echo text >/rw/file; cat /ro/file; touch /ro/other 2>&1; touch /ro/below/file && echo below";
  expect(await pod.run(script, { more: { mounts } })).toBe("text\ntouch: /ro/other: Read-only file system\nbelow\n");
  expect(readFileSync(`${volume}/file`, "utf8")).toBe("text\n");
});

needs(containerdIsThere, since(2, 0, "recursive read-only mounts"))(
  "cri: mount that is read-only with what is mounted below it",
  async ({ box }) => {
    const pod = await runPod(cri(), box);
    const mount = { container_path: "/ro", readonly: true, recursive_read_only: true };
    const mounts = [{ host_path: volumeWithSubmount(box), ...mount }];
    expect(await pod.run("touch /ro/below/file 2>&1; true", { more: { mounts } })).toBe(
      "touch: /ro/below/file: Read-only file system\n",
    );
  },
);

needsCri("cri: propagation of mounts to the container, and from it", async ({ box }) => {
  const pod = await runPod(cri(), box, { security: { privileged: true } });
  const volume = mounted(box, "volume");
  execFileSync("mount", ["--make-shared", volume]);
  for (const name of ["late", "inner"]) mkdirSync(`${volume}/${name}`);
  const paths = { host_path: volume, container_path: "/volume" };
  const slave = await pod.start(WAITS, {
    more: { mounts: [{ ...paths, propagation: "PROPAGATION_HOST_TO_CONTAINER" }] },
  });
  const separate = await pod.start(WAITS, { more: { mounts: [paths] } });
  const both = await pod.start(WAITS, {
    security: { privileged: true },
    more: { mounts: [{ ...paths, propagation: "PROPAGATION_BIDIRECTIONAL" }] },
  });
  mounted(box, "volume/late");
  writeFileSync(`${volume}/late/file`, "");
  expect((await slave.exec(["ls", "/volume/late"])).stdout).toBe("file\n");
  expect((await separate.exec(["ls", "/volume/late"])).stdout).toBe("");
  expect(await both.exec("mount -t tmpfs tmpfs /volume/inner && touch /volume/inner/file")).toMatchObject({ code: 0 });
  box.defer(() => void spawnSync("umount", [`${volume}/inner`], { stdio: "ignore" }));
  expect(existsSync(`${volume}/inner/file`)).toBe(true);
  expect((await slave.exec(["ls", "/volume/inner"])).stdout).toBe("file\n");
});

/** A device that no container has by itself, and that may be opened without a further right. */
const DEVICE = ["/dev/fuse", "/dev/net/tun", "/dev/loop-control"].find((path) => existsSync(path));

needs(containerdIsThere, DEVICE === undefined ? "no device to hand on" : undefined)(
  "cri: device of the host, with what may be done with it",
  async ({ box }) => {
    const pod = await runPod(cri(), box);
    const script = "(: </dev/mine) && echo read; (: >/dev/mine) 2>&1 && echo written; true";
    const run = (permissions: string) => {
      const devices = [{ host_path: DEVICE, container_path: "/dev/mine", permissions }];
      return pod.run(script, { more: { devices } });
    };
    expect(await run("rw")).toBe("read\nwritten\n");
    expect(await run("r")).toBe("read\nsh: can't create /dev/mine: Operation not permitted\n");
  },
);

needs(
  containerdIsThere,
  since(2, 0, "user namespaces for pods of Kubernetes 1.30 and later"),
  cniIsThere,
)("cri: pod in a user namespace of its own", async ({ box }) => {
  box.makeReachable();
  const mapping = [{ host_id: 300_000, container_id: 0, length: 65_536 }];
  const userns_options = { mode: "POD", uids: mapping, gids: mapping };
  const pod = await runPod(cri(), box, { hostname: "a-pod", namespaces: { network: "POD", userns_options } });
  const volume = box.makeDirectory("volume");
  const paths = { host_path: volume, container_path: "/volume" };
  const container = await pod.start(`touch /volume/file /file; ${WAITS}`, {
    more: { mounts: [{ ...paths, uidMappings: mapping, gidMappings: mapping }] },
  });
  await container.says("ready");
  const status = readFileSync(`/proc/${await container.pid()}/status`, "utf8");
  expect(status).toMatch(/^Uid:\t300000\t/m);
  const script = "cat /proc/self/uid_map | tr -s ' '; id -u; stat -c %u /bin /file /volume/file; hostname";
  expect(await container.exec(script)).toMatchObject({ code: 0, stdout: " 0 300000 65536\n0\n0\n0\n0\na-pod\n" });
  // By the mount's own mapping, what the container's root makes is the host's root's.
  expect(statSync(`${volume}/file`).uid).toBe(0);
  await container.stop(10);
  expect(await container.status()).toMatchObject({ exit_code: 0 });
});

/** A folder with a tmpfs in its folder "below". */
function volumeWithSubmount(box: Sandbox): string {
  const volume = box.makeDirectory("volume");
  mounted(box, "volume/below");
  return volume;
}

/** A tmpfs in the sandbox, until the test ends. */
function mounted(box: Sandbox, name: string): string {
  const path = box.makeDirectory(name);
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", path]);
  box.defer(() => void spawnSync("umount", [path], { stdio: "ignore" }));
  return path;
}
