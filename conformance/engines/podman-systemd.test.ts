// systemd as the first process of a container: it finds a cgroup that it may divide, the mounts that it wants, and the signal that
// ends it.

import { expect } from "vitest";
import { kernelFile, type Missing } from "../../test/root/harness/needs.ts";
import { SYSTEMD_SOCKET } from "../../test/root/harness/runtime.ts";
import { BOTH, operation, root } from "./podman-user.ts";

const systemd: Missing = kernelFile(SYSTEMD_SOCKET) && "systemd does not run here";

/** Units of the host's that are not for a container. */
const MASKED = [
  ...["nftables.service", "docker.socket", "systemd-firstboot.service"],
  ...["podman.service", "podman-restart.service", "podman-auto-update.service", "podman-clean-transient.service"],
];

/** Makes a root file system in $OWN/root that has the host's programs by a mount, and waits until systemd in `s` has started. */
const BOOT = `
  mkdir -p $OWN/root/etc/systemd/system; cd $OWN/root; mkdir usr run tmp var proc sys dev; cp -P /bin /sbin /lib /lib64 .
  for unit in ${MASKED.join(" ")}; do ln -s /dev/null etc/systemd/system/$unit; done
  boot() {
    $P run --detach --name s --network=none --systemd=always -v /usr:/usr:ro --tmpfs /var "$@" /lib/systemd/systemd >/dev/null
    tries=0; while state=$($P exec s systemctl is-system-running 2>/dev/null); [ "$state" != running ] && [ "$state" != degraded ]
    do tries=$((tries+1)); [ $tries -lt 150 ] || { echo "$state"; return; }; sleep 0.2; done
    echo $state; $P exec s systemctl list-units --failed --no-legend --plain
  }`;

/** What systemd in the container can do: a service with a limit of its own, in a cgroup that it has made. */
const TRY = `
  $P exec s sh -c 'cat /proc/1/comm /proc/1/cgroup; systemctl is-active multi-user.target; systemd-detect-virt
    grep -c -E "^[^ ]+ (/run|/tmp|/var/log/journal) tmpfs rw" /proc/mounts
    systemd-run --quiet --wait --pipe -p MemoryMax=20M sh -c "cat /sys/fs/cgroup\\$(cut -d: -f3 /proc/self/cgroup)/memory.max; exit 7"; echo $?'
  $P stop --time 30 s >/dev/null; $P inspect s --format '{{.State.ExitCode}}'; $P rm s`;

const WORKS = ["systemd", "0::/init.scope", "active", "podman", "3", "20971520", "7", "0", "s"];

operation(
  BOTH,
  "systemd in a container",
  async ({ own, run }) => {
    const result = await run(`OWN=${own}; ${BOOT}\nboot --rootfs $OWN/root; ${TRY}`);
    expect(result.stdout.split("\n")).toEqual(["running", ...WORKS, ""]);
  },
  systemd,
);

operation(
  [root],
  "systemd in a container with a user namespace",
  async ({ own, run }) => {
    const maps = "--uidmap 0:200000:65536 --gidmap 0:200000:65536";
    const prepare = "chown -h -R 200000:200000 $OWN/root";
    const result = await run(`OWN=${own}; ${BOOT}\n${prepare}; boot ${maps} --rootfs $OWN/root; ${TRY}`);
    expect(result.stdout.split("\n")).toEqual(["running", ...WORKS, ""]);
  },
  systemd,
);
