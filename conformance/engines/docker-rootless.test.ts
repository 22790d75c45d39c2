// Docker of an ordinary user, in the guest that has one with a session and cgroups of his own (test/vm/guest/setup.sh):
// dockerd-rootless.sh, which has RootlessKit make the namespaces and slirp4netns the network, the runtime its default
// one. The user's systemd makes the cgroups. All is in one call of as-tester, since what a unit leaves running ends with it.

import { chmodSync, chownSync, writeFileSync } from "node:fs";
import { expect, vi } from "vitest";
import { kernelFile, needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { client, rootfsTar, runtimeProgram } from "./engine.ts";

const TESTER = 1000;
/** Debian's package of Docker has it here. */
const START = "/usr/share/docker.io/contrib/dockerd-rootless.sh";
/** A process that ends when it is told to. */
const WAITING = `busybox sh -c 'trap "echo bye; exit 0" TERM; echo hi; sleep 1000 & wait'`;
/** What the user's Docker has left when it ended: units of containers and processes of theirs. */
const LEFT =
  "systemctl --user list-units --all --no-legend 'docker-*'; pgrep -u tester -l 'containerd|dockerd|rootlesskit'";

vi.setConfig({ testTimeout: 120_000 });

/** Has him run a script in which $D is Docker's client and `busybox` an image. */
async function tester(box: Sandbox, script: string, storage = "vfs"): Promise<string> {
  const own = box.makeDirectory("own");
  chmodSync(box.directory, 0o755);
  chownSync(own, TESTER, TESTER);
  const settings = {
    "default-runtime": "tested",
    runtimes: { tested: { path: runtimeProgram(box) } },
    "data-root": `${own}/data`,
    "storage-driver": storage,
    "exec-opts": ["native.cgroupdriver=systemd"],
    ...{ iptables: false, ip6tables: false, bridge: "none" },
  };
  writeFileSync(box.path("daemon.json"), JSON.stringify(settings));
  const words = [
    `export DOCKERD_ROOTLESS_ROOTLESSKIT_NET=slirp4netns PATH="$PATH:/usr/sbin:/sbin"`,
    `sh ${START} --config-file ${box.path("daemon.json")} >${own}/log 2>&1 & daemon=$!`,
    `D="docker --host unix://$XDG_RUNTIME_DIR/docker.sock --config ${own}/client"`,
    "tries=0; until $D version >/dev/null 2>&1; do",
    `  tries=$((tries + 1)); [ $tries -lt 150 ] || { tail -20 ${own}/log >&2; exit 99; }; sleep 0.2`,
    "done",
    `$D import ${rootfsTar(box)} busybox >/dev/null`,
    script,
    `kill $daemon; wait $daemon; ${LEFT}`,
    // Layers belong to his other ids.
    `rootlesskit rm -rf ${own}/data; rm -rf ${own}/* $XDG_RUNTIME_DIR/docker; true`,
  ];
  const result = await client(box, "as-tester", ["sh", "-c"])(words.join("\n"));
  expect(result).toMatchObject({ code: 0, stderr: "" });
  return result.stdout.replaceAll("\r", "");
}

const needsTester = needs(
  ...["dockerd", "docker", "rootlesskit", "slirp4netns", "as-tester"].map(program),
  kernelFile(START),
);

needsTester(
  "docker rootless: run, exit codes, users, read-only with tmpfs, privileged, host network",
  async ({ box }) => {
    const script = [
      "$D info --format '{{.DefaultRuntime}} {{.CgroupDriver}} {{.CgroupVersion}} {{.SecurityOptions}}'",
      'run() { $D run --rm --network=none "$@"; }',
      "run busybox sh -c 'echo $(id -u) $(cat /proc/self/uid_map | head -1) $(cat /proc/self/cgroup); exit 5'; echo $?",
      "run --user 1000:7 busybox sh -c 'echo $(id -u) $(id -g)'",
      "run busybox no-such-program >/dev/null 2>&1; echo $?; run busybox /etc/passwd >/dev/null 2>&1; echo $?",
      "run --read-only --tmpfs /scratch busybox sh -c 'touch /scratch/x && touch /x 2>/dev/null; echo $?'",
      "run --privileged busybox sh -c 'mount -t tmpfs none /tmp && echo mounted'",
      "run --cap-drop ALL busybox grep CapEff /proc/self/status",
      "run busybox unshare -n true 2>/dev/null || echo held",
      "$D run --rm --network=host busybox sh -c 'ls /sys/class/net' | tr '\\n' ' '; echo",
      "echo in | run -i busybox cat; run -t busybox tty",
    ].join("\n");
    expect((await tester(box, script)).split("\n")).toEqual([
      "tested systemd 2 [name=seccomp,profile=builtin name=rootless name=cgroupns]",
      ...["0 0 1000 1 0::/", "5", "1000 7", "127", "126", "1", "mounted", "CapEff:\t0000000000000000", "held"],
      ...["lo tap0 ", "in", "/dev/pts/0", ""],
    ]);
  },
);

needsTester("docker rootless: limits in delegated cgroups, update, pause, stats", async ({ box }) => {
  const script = [
    `$D run -d --name box --network=none --memory 64m --pids-limit 20 --cpus 0.5 ${WAITING} >/dev/null`,
    "own=$(cut -d: -f3 /proc/$($D inspect --format '{{.State.Pid}}' box)/cgroup); cgroup=/sys/fs/cgroup$own",
    "echo $own | sed 's/-[0-9a-f]*.scope/-ID.scope/'",
    "limits() { echo $(cat $cgroup/memory.max $cgroup/pids.max $cgroup/cpu.max); }",
    "limits; $D update --memory 96m --memory-swap 96m --pids-limit 30 box >/dev/null 2>&1; limits",
    "$D pause box; cat $cgroup/cgroup.freeze; $D unpause box; cat $cgroup/cgroup.freeze",
    "$D stats --no-stream --format '{{.MemUsage}}' box | sed 's:.*/ ::'",
    "$D exec box sh -c 'cat /sys/fs/cgroup/memory.max'",
    "$D rm --force box; ls -d $cgroup 2>/dev/null",
    "$D run --rm --network=none --memory 16m busybox sh -c 'tail /dev/zero; echo $?' 2>/dev/null",
  ].join("\n");
  expect((await tester(box, script)).split("\n")).toEqual([
    "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
    ...["67108864 20 50000 100000", "100663296 30 50000 100000", "box", "1", "box", "0", "96MiB", "100663296", "box"],
    ...["137", ""],
  ]);
});

needsTester("docker rootless: exec, top, stop, logs, rm, on fuse-overlayfs", async ({ box }) => {
  const script = [
    "$D info --format '{{.Driver}}'",
    `$D run -d --name box --network=none ${WAITING} >/dev/null`,
    "$D exec box sh -c 'echo in; exit 3'; echo $?; $D exec -t --user 7 box sh -c 'tty; id -u'",
    "$D exec box touch /new; $D diff box; $D top box -o pid,comm | tail -1 | grep -o sleep",
    "$D stop box; $D inspect --format '{{.State.ExitCode}}' box; $D logs box",
    "$D start box; $D restart -t 5 box; $D kill box; $D inspect --format '{{.State.ExitCode}}' box",
    "$D rm box; $D ps -aq",
  ].join("\n");
  expect((await tester(box, script, "fuse-overlayfs")).split("\n")).toEqual([
    ...["fuse-overlayfs", "in", "3", "/dev/pts/0", "7", "A /new", "sleep", "box", "0", "hi", "bye"],
    ...["box", "box", "box", "137", "box", ""],
  ]);
});
