// Options of Podman's that ask something of the runtime: limits and cgroup modes of cgroup v2, user namespaces, owners of volumes,
// debug logs, the API service, and networks of an ordinary user.

import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { machine as ownMachine } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { kernelFile, type Missing, program } from "../../test/root/harness/needs.ts";
import { CDI_DEVICE, CDI_SEEN, describeDevice, expectDevice } from "./cdi.ts";
import { removeIfNew } from "./engine.ts";
import { operation, type Podman, root, tester } from "./podman-user.ts";

const BOTH = [root, tester];
const cgroup2: Missing = kernelFile("/sys/fs/cgroup/cgroup.controllers") && "cgroup v2 is not all there is here";

/** Needs a version of Podman, or a later one. */
function podmanSince(major: number, minor: number): Missing {
  const { stdout } = spawnSync("podman", ["--version"], { encoding: "utf8" });
  const [first = 0, second = 0] = (/(\d+)\.(\d+)/.exec(stdout ?? "")?.slice(1) ?? []).map(Number);
  return first > major || (first === major && second >= minor) ? undefined : `this needs Podman ${major}.${minor}`;
}

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

operation(BOTH, "build", async (podman) => {
  writeFileSync(
    join(podman.own, "Containerfile"),
    [
      ...["FROM busybox", "ENV COLOR=red", "WORKDIR /made", "RUN echo $COLOR >file"],
      ...["RUN --mount=type=tmpfs,target=/x touch /x/file && grep -o '^tmpfs /x' /proc/mounts"],
      ...["RUN --mount=type=cache,target=/c echo kept >/c/file", "RUN --mount=type=cache,target=/c cat /c/file"],
      ...["USER 1000", "RUN id -u", ""],
    ].join("\n"),
  );
  const found = await lines(
    podman,
    `$P build --quiet=false --network=none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --tag built ${podman.own} >${podman.own}/log 2>&1 || cat ${podman.own}/log
    grep -v -E '^(STEP|-->|COMMIT|Successfully|[0-9a-f]{64}$)' ${podman.own}/log; $P $RUN built sh -c 'cat file; id -u'
    printf 'FROM busybox\\nRUN exit 5\\n' | $P build --network=none -f - ${podman.own} >/dev/null 2>&1; echo $?`,
  );
  expect(found).toEqual(["tmpfs /x", "kept", "1000", "red", "1000", "5"]);
});

/** What a machine calls itself to a process of 32 bits. */
const machine = spawnSync("setarch", ["linux32", "uname", "-m"], { encoding: "utf8" }).stdout?.trim();

operation(
  BOTH,
  "--personality",
  async (podman) => {
    expect(await lines(podman, "$P $RUN --personality=LINUX32 busybox uname -m")).toEqual([machine]);
  },
  machine === undefined || machine === ownMachine()
    ? "this kernel tells all processes one name of the machine"
    : undefined,
);

operation(BOTH, "options of /proc", async (podman) => {
  const words = "$P $RUN --security-opt proc-opts=hidepid=2 busybox grep ' /proc ' /proc/mounts";
  expect((await lines(podman, words))[0]).toMatch(/hidepid=(2|invisible)/);
});

operation(BOTH, "--pidfile and --conmon-pidfile", async (podman) => {
  const found = await lines(
    podman,
    `$P run --detach --name c --network=none --pidfile ${podman.own}/1 --conmon-pidfile ${podman.own}/2 busybox sleep 60 >/dev/null
    $P inspect c --format '{{.State.Pid}} {{.State.ConmonPid}}'; echo $(cat ${podman.own}/1) $(cat ${podman.own}/2)`,
  );
  expect(found[0]).toMatch(/^\d+ \d+$/);
  expect(found[1]).toBe(found[0]);
});

operation(BOTH, "--timeout", async (podman) => {
  const found = await lines(podman, "$P run --name c --network=none --timeout 1 busybox sleep 60; echo $?");
  expect(found).toEqual(["255"]);
});

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

operation(BOTH, "capabilities of an ordinary user are ambient", async (podman) => {
  const words =
    "$P $RUN --user 1000 --cap-drop ALL --cap-add NET_ADMIN busybox grep -E '^Cap(Eff|Amb)' /proc/self/status";
  expect(await lines(podman, words)).toEqual(["CapEff: 0000000000001000", "CapAmb: 0000000000001000"]);
});

operation(BOTH, "--mount of an image and of pseudo terminals", async (podman) => {
  const mounts = "--mount type=image,source=busybox,target=/i --mount type=devpts,target=/p";
  const found = await lines(
    podman,
    `$P $RUN ${mounts} busybox sh -c 'ls /i/bin/sh; touch /i/new 2>/dev/null || echo no; grep -o "^devpts /p devpts rw" /proc/mounts; ls /p'`,
  );
  expect(found).toEqual(["/i/bin/sh", "no", "devpts /p devpts rw", "ptmx"]);
});

operation(
  BOTH,
  "--mount of what a pattern names, and ramfs",
  async (podman) => {
    const found = await lines(
      podman,
      `touch ${podman.own}/one ${podman.own}/two
    $P $RUN --mount type=glob,source=${podman.own}'/*o*',target=/g --mount type=ramfs,target=/r busybox sh -c 'ls /g; grep -o "^[a-z]* /r ramfs rw" /proc/mounts'`,
    );
    expect(found).toEqual(["one", "two", "ramfs /r ramfs rw"]);
  },
  podmanSince(4, 7),
);

operation(BOTH, "a volume laid over with :O", async (podman) => {
  const found = await lines(
    podman,
    `mkdir ${podman.own}/volume; echo below >${podman.own}/volume/file
    $P $RUN -v ${podman.own}/volume:/v:O busybox sh -c 'cat /v/file; echo above >/v/file; cat /v/file'; cat ${podman.own}/volume/file`,
  );
  expect(found).toEqual(["below", "above", "below"]);
});

operation(BOTH, "exec --preserve-fds", async (podman) => {
  const found = await lines(
    podman,
    `echo third >${podman.own}/3; $P run --detach --name c --network=none busybox sleep 60 >/dev/null
    $P exec --preserve-fds 1 c sh -c 'cat <&3' 3<${podman.own}/3`,
  );
  expect(found).toEqual(["third"]);
});

operation(BOTH, "--device", async (podman) => {
  const words = "$P $RUN --device /dev/zero:/dev/own busybox sh -c 'test -c /dev/own && head -c 3 /dev/own | wc -c'";
  expect(await lines(podman, words)).toEqual(["3"]);
});

operation(BOTH, "hooks", async (podman) => {
  const stages = ["createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
  const log = join(podman.own, "log");
  for (const stage of stages) {
    const script = `echo "${stage} $(sed 's/.*"status":"\\([a-z]*\\)".*/\\1/')" >>${log}`;
    const hook = { version: "1.0.0", when: { annotations: { "^org.example$": "yes" } }, stages: [stage] };
    const file = join(podman.box.makeDirectory("hooks"), `${stage}.json`);
    writeFileSync(file, JSON.stringify({ ...hook, hook: { path: "/bin/sh", args: ["sh", "-c", script] } }));
  }
  const found = await lines(
    podman,
    `touch ${log}; for value in yes no; do
      $P --hooks-dir ${podman.box.path("hooks")} run --name $value --network=none --annotation org.example=$value -v ${podman.own}:${podman.own} busybox true
      $P rm $value >/dev/null
    done; cat ${log}`,
  );
  expect(found.map((line) => line.split(" ")[0])).toEqual(stages);
  expect(found.slice(-2)).toEqual(["poststart running", "poststop stopped"]);
});

operation(BOTH, "a health check that fails has the container killed", async (podman) => {
  const found = await lines(
    podman,
    `$P run --detach --name c --network=none --health-cmd false --health-interval disable --health-retries 1 --health-on-failure kill busybox sleep 60 >/dev/null
    $P healthcheck run c >/dev/null 2>&1; $P wait c; $P inspect c --format '{{.State.Status}}'`,
  );
  expect(found).toEqual(["137", "exited"]);
});

operation(BOTH, "--read-only-tmpfs", async (podman) => {
  const words = (value: boolean) =>
    `$P $RUN --read-only --read-only-tmpfs=${value} busybox sh -c 'for d in /tmp /run /var/tmp /dev/shm; do touch $d/x 2>/dev/null; echo $?; done'`;
  expect(await lines(podman, words(true))).toEqual(["0", "0", "0", "0"]);
  expect((await lines(podman, words(false))).slice(0, 3)).toEqual(["1", "1", "1"]);
});

operation(BOTH, "--rootfs laid over with :O", async (podman) => {
  const found = await lines(
    podman,
    `mkdir ${podman.own}/root; tar -xf ${podman.box.path("rootfs.tar")} -C ${podman.own}/root
    $P $RUN --rootfs ${podman.own}/root:O sh -c 'echo above >/new; cat /new'; ls ${podman.own}/root/new 2>/dev/null || echo none`,
  );
  expect(found).toEqual(["above", "none"]);
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

operation([root], "user namespaces that Podman chooses with --userns=auto", async (podman) => {
  const script = podman.box.path("auto"); // of ids that only its mount namespace has
  writeFileSync(
    script,
    `echo containers:500000:200000 >${podman.own}/ids; for file in uid gid; do touch /etc/sub$file; mount --bind ${podman.own}/ids /etc/sub$file; done
    { cat /etc/passwd; echo containers:x:500000:500000::/:/bin/false; } >${podman.own}/passwd; mount --bind ${podman.own}/passwd /etc/passwd
    $P run --detach --name c --network=none --userns=auto:size=1000 busybox sleep 60 >/dev/null
    tr -s ' ' </proc/$($P inspect c --format '{{.State.Pid}}')/uid_map
    $P $RUN --userns=auto:size=2000 busybox sh -c 'id -u; cat /proc/self/uid_map'
    $P kill c >/dev/null; $P wait c >/dev/null; $P rm c >/dev/null`,
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

operation([root], "device by CDI, with its hook, and an annotation", async (podman) => {
  const { box } = podman;
  removeIfNew(box, "/run/cdi"); // Podman's older versions look nowhere else
  mkdirSync("/run/cdi", { recursive: true });
  describeDevice(box, "/run/cdi");
  box.defer(() => rmSync(`/run/cdi/${box.word}.json`));
  const flags = `--device ${CDI_DEVICE} --annotation org.example.word=given`;
  const found = await lines(podman, `$P $RUN ${flags} busybox sh -c '${CDI_SEEN}'`);
  expectDevice(box, found.join("\n"), { "org.example.word": "given" });
});
