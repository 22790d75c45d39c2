// What Podman asks of cgroups of version 2, of its own or of a user's delegated ones: limits, modes, and who ran out of memory.

import { writeFileSync } from "node:fs";
import { expect } from "vitest";
import { BOTH, cgroup2, lines, operation, tester } from "./podman-user.ts";

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

operation(
  BOTH,
  "--cgroup-conf",
  async (podman) => {
    const words =
      "$P $RUN --cgroup-conf=memory.high=50331648 --cgroupns=private busybox cat /sys/fs/cgroup/memory.high";
    expect(await lines(podman, words)).toEqual(["50331648"]);
  },
  cgroup2,
);
