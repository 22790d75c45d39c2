// Options of Podman's that ask something of the runtime: limits and cgroup modes of cgroup v2, user namespaces, owners of volumes,
// debug logs, the API service, and networks of an ordinary user.

import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { kernelFile, type Missing, program } from "../../test/root/harness/needs.ts";
import { operation, type Podman, root, tester } from "./podman-user.ts";

const BOTH = [root, tester];
const cgroup2: Missing = kernelFile("/sys/fs/cgroup/cgroup.controllers") && "cgroup v2 is not all there is here";

/** Runs what the container prints, as lines. */
async function lines({ run }: Podman, script: string): Promise<string[]> {
  const result = await run(`RUN='run --rm --network=none'; ${script}`);
  expect(result.stderr).toBe("");
  return result.stdout.replaceAll("\t", " ").trimEnd().split("\n");
}

const LIMITS = "--memory 64m --memory-swap 96m --memory-reservation 32m --pids-limit 30 --cpus 0.5";
const FILES = "memory.max memory.swap.max memory.low pids.max cpu.max";

for (const manager of ["systemd", "cgroupfs"])
  operation(
    [tester],
    `limits of a delegated cgroup, by ${manager}`,
    async (podman) => {
      const words = `$P --cgroup-manager ${manager} $RUN ${LIMITS} busybox sh -c 'cd /sys/fs/cgroup; cat ${FILES}'`;
      expect(await lines(podman, words)).toEqual(["67108864", "33554432", "33554432", "30", "50000 100000"]);
    },
    cgroup2,
  );

operation(
  [tester],
  "out of memory in a delegated cgroup",
  async (podman) => {
    // By cgroupfs: systemd removes a scope as soon as it is empty, and conmon may come too late to read memory.events.
    const limit = "--memory 16m --memory-swap 16m";
    const found = await lines(
      podman,
      `$P --cgroup-manager cgroupfs run --name c --network=none ${limit} busybox sh -c 'tail /dev/zero' 2>/dev/null; echo $?
      $P inspect c --format '{{.State.OOMKilled}}'`,
    );
    expect(found).toEqual(["137", "true"]);
  },
  cgroup2,
);

operation(
  BOTH,
  "--cgroups=split and --cgroups=disabled",
  async (podman) => {
    // In a unit of its own, whose cgroup it may divide: Podman moves all that is in it.
    const unit = podman.user.id === 0 ? "systemd-run --quiet --pipe --wait --collect -p Delegate=yes --setenv=P" : "";
    const modes = podman.box.path("modes");
    writeFileSync(
      modes,
      `unit=$(sed -n 's/^0:://p' /proc/self/cgroup)
      for how in split disabled; do
        $P run --detach --name $how --network=none --cgroups=$how busybox sleep 60 >/dev/null
        cgroup=$(sed -n 's/^0:://p' /proc/$($P inspect $how --format '{{.State.Pid}}')/cgroup)
        case $cgroup in $unit*/libpod-payload-*) echo divided;; $unit*) echo not divided;; *) echo $cgroup;; esac
        $P exec $how echo in; $P pause $how >/dev/null 2>&1; echo $?; $P rm --force --time 0 $how
      done`,
    );
    expect(await lines(podman, `export P; ${unit} sh ${modes}`)).toEqual([
      ...["divided", "in", "0", "split"],
      ...["not divided", "in", "125", "disabled"],
    ]);
  },
  cgroup2,
);

operation([tester], "user namespaces: keep-id, keep-id with other ids, nomap, auto and a map", async (podman) => {
  const found = await lines(
    podman,
    `for how in keep-id keep-id:uid=7,gid=8 nomap auto:size=1000; do
      $P $RUN --userns=$how busybox sh -c 'echo $(id -u):$(id -g) $(wc -l </proc/self/uid_map)'
    done
    $P $RUN --uidmap 0:1:1000 --gidmap 0:1:1000 busybox cat /proc/self/uid_map | tr -s ' '`,
  );
  expect(found).toEqual(["1000:1000 3", "7:8 3", "0:0 1", "0:0 1", " 0 1 1000"]);
});

operation(BOTH, "--passwd-entry and --passwd=false", async (podman) => {
  const found = await lines(
    podman,
    `$P $RUN --user 4321 --passwd-entry 'me:*:$UID:$GID:Me:/:/bin/sh' busybox tail -1 /etc/passwd
    $P $RUN --user 4321 --passwd=false busybox tail -1 /etc/passwd | cut -d: -f1`,
  );
  expect(found).toEqual(["me:*:4321:0:Me:/:/bin/sh", "user"]);
});

operation(BOTH, "a volume is given to the container's user with :U", async (podman) => {
  const found = await lines(
    podman,
    `mkdir ${podman.own}/volume; for user in 5:6 7:8; do
      $P $RUN --user $user -v ${podman.own}/volume:/v:U busybox sh -c 'touch /v/$(id -u); stat -c %u:%g /v /v/*'; done`,
  );
  expect(found).toEqual(["5:6", "5:6", "7:8", "7:8", "7:8"]);
});

operation([root], "a volume is id-mapped with :idmap, and in a user namespace", async (podman) => {
  const file = join(podman.own, "file");
  writeFileSync(file, "");
  chownSync(file, 1000, 2000);
  const maps = "--uidmap=0:100000:65536 --gidmap=0:100000:65536";
  const found = await lines(
    podman,
    `$P $RUN ${maps} -v ${podman.own}:/v:idmap busybox sh -c 'stat -c %u:%g /v/file; touch /v/new'; stat -c %u:%g ${podman.own}/new`,
  );
  expect(found).toEqual(["1000:2000", "0:0"]);
});

operation(BOTH, "--preserve-fds", async (podman) => {
  const found = await lines(
    podman,
    `echo third >${podman.own}/3; echo fourth >${podman.own}/4
    $P $RUN --preserve-fds 2 busybox sh -c 'cat <&3; cat <&4; ls /proc/self/fd | wc -l' 3<${podman.own}/3 4<${podman.own}/4`,
  );
  expect(found).toEqual(["third", "fourth", "6"]);
});

operation(BOTH, "--log-level=debug and the runtime's own --debug", async (podman) => {
  const result = await podman.run(`
    $P --log-level=debug --runtime-flag=debug run --name c --network=none --detach busybox sleep 60 >/dev/null; echo $?
    $P --log-level=debug --runtime-flag=debug exec c echo in; echo $?
    $P --log-level=debug --runtime-flag=debug rm --force --time 0 c; echo $?`);
  expect(result.stdout).toBe("0\nin\n0\nc\n0\n");
  expect(result.stderr).toContain("running conmon");
  expect(result.stderr.split("\n").filter((line) => /level=(error|fatal|panic)/.test(line))).toEqual([]);
});

operation(BOTH, "the API service and a remote client", async (podman) => {
  const found = await lines(
    podman,
    `$P system service --time 0 unix://${podman.own}/s >/dev/null 2>&1 & service=$!
    until [ -S ${podman.own}/s ]; do sleep 0.1; done; R="podman --remote --url unix://${podman.own}/s"
    $R run --rm --network=none busybox sh -c 'echo out; exit 6'; echo $?
    $R run --detach --name c --network=none busybox sleep 60 >/dev/null; $R exec c sh -c 'echo in; exit 4'; echo $?
    $R pause c >/dev/null; $R inspect c --format '{{.State.Status}}'; $R rm --force --time 0 c; $R ps --all --quiet
    kill $service; wait $service`,
  );
  expect(found).toEqual(["out", "6", "in", "4", "paused", "c"]);
});

operation(BOTH, "a pod is paused, listed, measured and stopped", async (podman) => {
  // What ended with the pod's process namespace is "not running" when its turn to be stopped comes: Podman prints that.
  const found = await lines(
    podman,
    `$P pod create --name p --network none --share pid,ipc,uts,net >/dev/null
    for name in a b; do $P run --detach --pod p --name $name busybox sleep 60 >/dev/null; done
    $P pod pause p >/dev/null; $P ps --all --format '{{.Status}}' | cut -d' ' -f1 | sort | uniq -c | tr -s ' '
    $P pod unpause p >/dev/null; $P pod top p comm | sort; $P pod stats --no-stream p | wc -l
    $P pod stop --time 0 p >/dev/null 2>&1; $P pod inspect p --format '{{.State}}'; $P pod rm p >/dev/null; $P ps --all --quiet`,
  );
  expect(found).toEqual([" 3 Paused", "COMMAND", "catatonit", "sleep", "sleep", "4", "Exited"]);
});

for (const [network, missing] of [
  ["pasta", program("pasta")],
  ["slirp4netns", program("slirp4netns")],
] as const)
  operation(
    [tester],
    `a published port through ${network}`,
    async (podman) => {
      const found = await lines(
        podman,
        `$P run --detach --name c --network=${network} --publish 18081:80 busybox httpd -f -p 80 -h /etc >/dev/null
        for try in $(seq 50); do busybox wget -q -O - http://127.0.0.1:18081/group >${podman.own}/page 2>/dev/null && break; sleep 0.1; done; head -1 ${podman.own}/page`,
      );
      expect(found).toEqual(["root:x:0:"]);
    },
    kernelFile("/dev/net/tun"),
    missing,
  );
