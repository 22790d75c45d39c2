// Podman's user namespaces: maps that it is given, and maps that it makes of a user's ids.

import { writeFileSync } from "node:fs";
import { expect } from "vitest";
import { lines, operation, root, tester } from "./podman-user.ts";

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

operation([root], "user namespaces that Podman chooses with --userns=auto", async (podman) => {
  const script = podman.box.path("auto"); // of ids that only its mount namespace has
  writeFileSync(
    script,
    `echo containers:500000:200000 >${podman.own}/ids; for file in uid gid; do touch /etc/sub$file; mount --bind ${podman.own}/ids /etc/sub$file; done
    { cat /etc/passwd; echo containers:x:500000:500000::/:/bin/false; } >${podman.own}/passwd; mount --bind ${podman.own}/passwd /etc/passwd
    $P run --detach --name c --network=none --userns=auto:size=1000 busybox sleep 60 >/dev/null
    tr -s ' ' </proc/$($P inspect c --format '{{.State.Pid}}')/uid_map
    $P $RUN --userns=auto:size=2000 busybox sh -c 'id -u; cat /proc/self/uid_map'
    $P rm --force --time 0 c >/dev/null`,
  );
  const found = (await lines(podman, `export P RUN; unshare --mount sh ${script}`)).map((line) =>
    line.replace(/ +/g, " "),
  );
  expect(found).toEqual([" 0 500000 1000", "0", " 0 501000 2000"]);
});

operation([root], "a user namespace on the host's network, and privileged", async (podman) => {
  const words = "run --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536";
  const found = await lines(
    podman,
    `$P ${words} --network=host busybox sh -c 'readlink /proc/self/ns/net; ls -d /sys/kernel'; readlink /proc/self/ns/net
    $P ${words} --network=none --privileged busybox sh -c 'mkdir /mnt; mount -t tmpfs none /mnt 2>&1; grep -c " /mnt " /proc/mounts; tr -s " " </proc/self/uid_map'`,
  );
  expect(found).toEqual([found[2], "/sys/kernel", found[2], "1", " 0 100000 65536"]);
});
