// How Docker isolates, command by command: namespaces, cgroups, layers, seccomp and AppArmor, user namespaces, tmpfs, bridges.
// All of it is Docker's command line; what does it is tsrun.

import { fails, type Step, shell } from "./step.ts";

export const STEPS: readonly Step[] = [
  {
    title: "Namespaces: what a process sees",
    text: "Every process is in one namespace of each kind, and `/proc/PID/ns` says in which. A container's process is in new ones, but for the user and time namespaces: those it shares with the host unless told otherwise.",
    commands: [
      shell("ls -l /proc/$$/ns | cut -d' ' -f9-", /pid -> pid:\[\d+\]/, /net -> net:\[\d+\]/),
      shell("docker run --rm busybox ls -l /proc/self/ns | cut -c57-", /mnt -> mnt:\[\d+\]/),
      shell(
        'for n in cgroup ipc mnt net pid time user uts; do [ "$(readlink /proc/self/ns/$n)" = "$(docker run --rm busybox readlink /proc/self/ns/$n)" ] && echo "$n: the host\'s" || echo "$n: its own"; done',
        ...["cgroup", "ipc", "mnt", "net", "pid", "uts"].map((name) => `${name}: its own`),
        ...["time", "user"].map((name) => `${name}: the host's`),
      ),
    ],
  },
  {
    title: "Process 1",
    text: "In its pid namespace the container's process is number 1 and sees no others. On the host it is a process like any.",
    commands: [
      shell("docker run --rm busybox ps -o pid,comm", /^ +1 ps$/m),
      shell("docker run --detach --name one busybox sleep 1000"),
      shell("docker exec one ps -o pid,args", /^ +1 sleep 1000$/m),
      shell("docker inspect --format '{{.State.Pid}}' one", /^[1-9]\d+$/m),
      shell("ps -o pid,ppid,args -p $(docker inspect --format '{{.State.Pid}}' one)", /sleep 1000/),
      shell("docker rm --force one"),
    ],
  },
  {
    title: "A network: a bridge, and a veth pair into it",
    text: "`docker network create` makes a bridge on the host. A container on that network has one end of a veth pair as its `eth0`; the other end is a port of the bridge. Docker makes the pair in a hook of `create`, while tsrun holds the container still.",
    commands: [
      shell("docker network create demo", /^[0-9a-f]{64}$/m),
      shell(
        "docker run --detach --name web --publish 8080:80 --network demo busybox sh -c 'mkdir /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www'",
      ),
      shell("docker exec web ip -o -4 address", /eth0 +inet 172\.\d+\.\d+\.\d+\/16/),
      shell(
        "ip -o link show master br-$(docker network inspect --format '{{.Id}}' demo | cut -c-12) | cut -d: -f2",
        /veth[0-9a-f]+@if\d+/,
      ),
      shell(
        "docker run --rm --network demo busybox wget -qO- http://$(docker inspect --format '{{.NetworkSettings.Networks.demo.IPAddress}}' web)/",
        "hello",
      ),
      shell("busybox wget -qO- http://127.0.0.1:8080/", "hello"),
      shell("docker rm --force web && docker network rm demo"),
    ],
  },
  {
    title: "Layers: one image, two containers, two writable layers",
    text: "The root is an overlay: the image's layers below, shared and never written, and a layer of the container's own above. `docker diff` lists what is in that one, and it goes with the container.",
    commands: [
      shell("docker run --detach --name first busybox sh -c 'echo A >/new; rm /bin/vi; sleep 1000'"),
      shell("docker run --detach --name second busybox sleep 1000"),
      shell(
        "for c in first second; do docker inspect --format '{{.GraphDriver.Data.LowerDir}}' $c | sed 's/.*://'; done | uniq | wc -l",
        /^1$/m,
      ),
      shell("docker exec first cat /proc/mounts | grep ' / ' | cut -c-60", /^overlay \/ overlay rw/m),
      shell("docker diff first | sort", "A /new", "D /bin/vi"),
      fails(1, "docker exec second cat /new", "No such file"),
      shell("ls $(docker inspect --format '{{.GraphDriver.Data.UpperDir}}' first)", "bin", "new"),
      shell(
        "d=$(docker inspect --format '{{.GraphDriver.Data.UpperDir}}' first); docker rm --force first second >/dev/null; ls $d 2>&1 || true",
        "No such file",
      ),
    ],
  },
  {
    title: "Cgroups: memory",
    text: "A limit is a file of the container's cgroup, which it sees in its own `/sys/fs/cgroup`. Who wants more is killed: status 137. With `--memory-swap` the same, there is no swap besides.",
    commands: [
      shell("docker run --rm --memory=500m busybox cat /sys/fs/cgroup/memory.max", /^524288000$/m),
      shell(
        "docker run --rm --memory=64m --memory-swap=128m busybox cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.swap.max",
        /^67108864\n67108864$/m,
      ),
      fails(137, "docker run --rm --memory=20m --memory-swap=20m busybox tail /dev/zero"),
      shell("docker run --detach --name small --memory=20m --memory-swap=20m busybox sleep 1000"),
      fails(137, "docker exec small tail /dev/zero"),
      shell("docker exec small grep oom_kill /sys/fs/cgroup/memory.events", /^oom_kill 1$/m),
      shell(
        "docker update --memory=40m --memory-swap=40m small && docker exec small cat /sys/fs/cgroup/memory.max",
        /^41943040$/m,
      ),
      shell("docker rm --force small"),
    ],
  },
  {
    title: "Cgroups: processors",
    text: "`--cpus` is a quota of so much time in each period; `--cpu-shares` a weight, which counts only when somebody else wants the processor too. cgroup v2 counts weights from 1 to 10000, so 512 shares of 1024 are 59 of 100.",
    commands: [
      shell("docker run --rm --cpus=0.5 busybox cat /sys/fs/cgroup/cpu.max", /^50000 100000$/m),
      shell("docker run --rm --cpu-shares=512 busybox cat /sys/fs/cgroup/cpu.weight", /^59$/m),
      shell(
        'docker run --rm --cpus=0.2 busybox sh -c \'timeout 3 sh -c "while :; do :; done"; grep -E "^(usage_usec|nr_throttled)" /sys/fs/cgroup/cpu.stat\'',
        /nr_throttled [1-9]\d*/,
        /usage_usec [4-9]\d{5}$/m,
      ),
    ],
  },
  {
    title: "Cgroups: processes and disks",
    text: "A fork bomb ends at `--pids-limit`. A throttle is a rate for one device: the fourth megabyte comes after two seconds. (Debian's client 26.1 forgets `--device-read-bps`, so the daemon is asked itself: `docker-api` posts to its socket.) Weights need a scheduler that has some, and what the kernel lacks is refused by the config's name. Network classes and priorities are cgroup v1's; Docker has no flag for them.",
    commands: [
      shell(
        "docker run --rm --pids-limit=20 busybox sh -c 'for i in $(seq 50); do sleep 5 & done 2>&1 | tail -1; cat /sys/fs/cgroup/pids.max'",
        "can't fork",
        /^20$/m,
      ),
      shell(
        'docker-api "/containers/create?name=slow" \'{"Image": "busybox", "Cmd": ["sh", "-c", "cat /sys/fs/cgroup/io.max; time dd if=/dev/loop9 of=/dev/null bs=64k"], "HostConfig": {"Devices": [{"PathOnHost": "/dev/loop9", "PathInContainer": "/dev/loop9", "CgroupPermissions": "r"}], "BlkioDeviceReadBps": [{"Path": "/dev/loop9", "Rate": 2097152}], "BlkioDeviceWriteIOps": [{"Path": "/dev/loop9", "Rate": 100}]}}\'',
        "Id",
      ),
      shell("docker start --attach slow", /^7:9 rbps=2097152 wbps=max riops=max wiops=100$/m, /real\s+0m [12]\.\d+s/),
      shell("docker rm slow"),
      shell(
        "docker run --rm --blkio-weight=300 busybox true 2>&1 | grep -o 'linux.*io.weight\\|this kernel.*setting'",
        "linux.resources.blockIO.weight",
        "this kernel has no such setting",
      ),
    ],
  },
  {
    title: "Devices",
    text: "A node can be made, but only devices that the config allows can be opened: on cgroup v2 by a small eBPF program that tsrun writes.",
    commands: [
      fails(1, "docker run --rm busybox sh -c 'mknod /disk b 7 9 && head -c1 /disk'", "Operation not permitted"),
      fails(
        1,
        "docker run --rm --device=/dev/loop9:/dev/disk:r busybox sh -c 'head -c1 /dev/disk | wc -c; echo x >/dev/disk'",
        /^1$/m,
        "Operation not permitted",
      ),
    ],
  },
  {
    title: "tmpfs",
    text: "Memory as a file system, of a size, gone with the container.",
    commands: [
      shell(
        "docker run --rm --tmpfs /scratch:size=16m,noexec busybox grep /scratch /proc/mounts",
        /^tmpfs \/scratch tmpfs rw,nosuid,nodev,noexec,.*size=16384k/m,
      ),
      fails(
        1,
        "docker run --rm --read-only --tmpfs /scratch busybox sh -c 'echo 1 >/scratch/file && cat /scratch/file; echo 2 >/file'",
        /^1$/m,
        "Read-only file system",
      ),
    ],
  },
  {
    title: "Capabilities, and no more of them",
    text: "Root of a container has fourteen of root's capabilities. `no-new-privileges` keeps a program from getting any by its set-user-ID bit.",
    commands: [
      shell("docker run --rm busybox grep CapEff /proc/self/status", /CapEff:\s+00000000a80425fb/),
      shell(
        "docker run --rm --cap-drop=ALL --cap-add=NET_BIND_SERVICE busybox grep CapEff /proc/self/status",
        /CapEff:\s+0000000000000400/,
      ),
      fails(1, "docker run --rm busybox hostname another", "Operation not permitted"),
      shell(
        "docker run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status",
        /NoNewPrivs:\s+1/,
      ),
    ],
  },
  {
    title: "seccomp: which system calls there are",
    text: "Docker's profile allows some 350 system calls and answers EPERM to the rest; a profile of one's own can take more away. tsrun compiles it once and keeps the program.",
    commands: [
      shell("docker run --rm busybox grep -E '^Seccomp' /proc/self/status", /Seccomp:\s+2/, /Seccomp_filters:\s+1/),
      fails(1, "docker run --rm busybox unshare --user true", "Operation not permitted"),
      shell(
        "docker run --rm --security-opt seccomp=unconfined --security-opt apparmor=unconfined busybox unshare --user echo a user namespace",
        "a user namespace",
      ),
      shell(
        'echo \'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 122}]}\' >/tmp/no-mkdir.json',
      ),
      fails(1, "docker run --rm --security-opt seccomp=/tmp/no-mkdir.json busybox mkdir /x", "quota exceeded"),
    ],
  },
  {
    title: "AppArmor",
    text: "Docker loads a profile and asks for it; the program is under it from its first instruction, and whatever is executed in the container later too.",
    commands: [
      shell("docker run --rm busybox cat /proc/self/attr/current", /^docker-default \(enforce\)$/m),
      fails(
        255,
        "docker run --rm --cap-add=SYS_ADMIN busybox sh -c 'mkdir /m && mount -t tmpfs none /m'",
        /[Pp]ermission denied/,
      ),
      shell(
        "docker run --rm --cap-add=SYS_ADMIN --security-opt apparmor=unconfined busybox sh -c 'mkdir /m && mount -t tmpfs none /m && echo mounted; cat /proc/self/attr/current'",
        /^mounted$/m,
        /^unconfined$/m,
      ),
    ],
  },
  {
    title: "User namespaces: a root that is nobody",
    text: "With `userns-remap` Docker gives containers a user namespace: root in it is an ordinary, unused id on the host. (A second daemon, `$REMAPPED`.)",
    commands: [
      shell(
        "docker --host $REMAPPED run --rm busybox sh -c 'id -u; cat /proc/self/uid_map'",
        /^0$/m,
        /^ +0 +[1-9]\d{4,} +65536$/m,
      ),
      shell("docker --host $REMAPPED run --detach --name remapped busybox sleep 1000"),
      shell(
        "ps -o uid,args -p $(docker --host $REMAPPED inspect --format '{{.State.Pid}}' remapped)",
        /^ *[1-9]\d{4,} sleep 1000$/m,
      ),
      shell("docker --host $REMAPPED exec remapped sh -c 'touch /file; stat -c %u /file'", /^0$/m),
      fails(1, "docker --host $REMAPPED exec remapped sh -c 'echo 1 >/proc/sys/kernel/panic'", /Read-only|denied/),
      shell("docker --host $REMAPPED rm --force remapped"),
    ],
  },
  {
    title: "What Docker knows, and what tsrun does",
    text: "`docker inspect` is what was asked for; `tsrun state` what the runtime holds, in the form of the specification. Under systemd every container is a scope.",
    commands: [
      shell("docker run --detach --name last --memory=64m busybox sleep 1000"),
      shell(
        "docker inspect --format '{{.State.Status}} {{.State.Pid}} {{.HostConfig.Runtime}} {{.HostConfig.Memory}}' last",
        /^running \d+ tsrun 67108864$/m,
      ),
      shell(
        "tsrun --root /run/docker/runtime-runc/moby state $(docker inspect --format '{{.Id}}' last) | grep -E 'status|pid'",
        /"status": "running"/,
        /"pid": \d+/,
      ),
      shell(
        "systemctl show --property MemoryMax,TasksCurrent docker-$(docker inspect --format '{{.Id}}' last).scope",
        /MemoryMax=67108864/,
      ),
      shell("docker pause last && tsrun --root /run/docker/runtime-runc/moby list | cut -c-12,62-100", "paused"),
      shell("docker unpause last && docker rm --force last"),
    ],
  },
];
