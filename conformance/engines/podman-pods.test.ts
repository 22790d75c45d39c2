// Podman's pods: containers that share namespaces, limits and volumes.

import { expect } from "vitest";
import { BOTH, cgroup2, lines, operation } from "./podman-user.ts";

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

operation(BOTH, "a pod's user namespace, sysctls, shared memory and volume", async (podman) => {
  const found = await lines(
    podman,
    `$P pod create --name p --network none --uidmap 0:1:1000 --gidmap 0:1:1000 --sysctl kernel.msgmax=5000 --shm-size 2m -v ${podman.own}:/v >/dev/null
    for i in 1 2; do
      $P run --rm --pod p busybox sh -c 'wc -l </proc/self/uid_map; cat /proc/sys/kernel/msgmax; grep -o "/dev/shm .*size=[0-9k]*" /proc/mounts | sed s/.*size=//; ls -d /v'
    done; $P pod rm --force --time 0 p >/dev/null`,
  );
  const each = ["1", "5000", "2048k", "/v"];
  expect(found).toEqual([...each, ...each]);
});

operation(
  BOTH,
  "a pod's limits",
  async (podman) => {
    const found = await lines(
      podman,
      `$P pod create --name p --network none --cpus 0.5 --memory 96m >/dev/null; $P run --detach --pod p --name c busybox sleep 60 >/dev/null
      cgroup=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$($P inspect c --format '{{.State.Pid}}')/cgroup)
      while [ "$(cat $cgroup/memory.max)" = max ]; do cgroup=\${cgroup%/*}; done; cat $cgroup/memory.max $cgroup/cpu.max`,
    );
    expect(found).toEqual(["100663296", "50000 100000"]);
  },
  cgroup2,
);
