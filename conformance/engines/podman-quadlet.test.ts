// Quadlet: containers, volumes, pods and Kubernetes' YAML as units of systemd, of the system's and of a user's manager. Podman
// tells the manager that a service is ready by sd_notify(3), or the container does, and conmon is the main process.

import { writeFileSync } from "node:fs";
import { expect } from "vitest";
import { kernelFile, type Missing } from "../../test/root/harness/needs.ts";
import { SYSTEMD_SOCKET } from "../../test/root/harness/runtime.ts";
import { runtimeProgram } from "./engine.ts";
import { BOTH, operation, type Podman } from "./podman-user.ts";

const systemd: Missing = kernelFile(SYSTEMD_SOCKET) && "systemd does not run here";

/** Stays until it is told to end. */
const STAY = 'trap "exit 0" TERM; while :; do sleep 0.05; done';

/** The host's programs, for systemd-notify(1). */
const HOST_PROGRAMS = ["/usr:/usr:ro", "/usr/lib:/lib:ro", "/usr/lib64:/lib64:ro"];

/** Names of units, and the lines of each. */
type Units = Readonly<Record<string, readonly string[]>>;

/** Has the user's systemd run these units while the script runs. In it `$S` is systemctl, and `show` prints a unit's properties, sorted. */
function withUnits(podman: Podman, units: Units, script: string) {
  const { systemctl, units: directory } = podman.user;
  const names = Object.keys(units);
  for (const [name, lines] of Object.entries(units))
    writeFileSync(podman.box.path(name), `${[...lines, ...WITHOUT_NETWORK].join("\n")}\n`);
  return podman.run(`
    S='${systemctl}'; show() { $S show --value "$@" | grep . | sort | tr '\n' ' '; echo; }
    mkdir -p ${directory}; cp ${names.map((name) => podman.box.path(name)).join(" ")} ${directory}; $S daemon-reload
    ${script}
    rm ${names.map((name) => `${directory}/${name}`).join(" ")}; $S daemon-reload; $S reset-failed`);
}

/** A user's unit would else wait for one of the system's, network-online.target, which nobody may have started. */
const WITHOUT_NETWORK = ["[Quadlet]", "DefaultDependencies=false"];

const container = (podman: Podman, name: string, ...more: readonly string[]): string[] => [
  ...["[Container]", `ContainerName=${name}`, "Image=localhost/busybox:latest", "Pull=never"],
  ...globals(podman),
  ...more,
];

/** What every section of a Quadlet unit takes. */
function globals(podman: Podman): string[] {
  return [`GlobalArgs=${podman.globals}`, `ContainersConfModule=${podman.settings}`];
}

operation(
  BOTH,
  "Quadlet: a container and its volume, which says itself that it is ready, started anew when it is killed",
  async (podman) => {
    const say = `date >>/data/starts; sleep 0.5; touch /data/soon; /usr/bin/systemd-notify --ready --status=serving; ${STAY}`;
    const units = {
      "service.container": [
        ...container(podman, "service", "Network=none", "Notify=true", "Volume=kept.volume:/data"),
        ...["ReadOnly=true", "DropCapability=ALL", "AddCapability=NET_BIND_SERVICE", "NoNewPrivileges=true"],
        ...["PodmanArgs=--memory 64m", "PidsLimit=50"],
        ...HOST_PROGRAMS.map((volume) => `Volume=${volume}`),
        `Exec=sh -c '${say}'`,
        ...["[Service]", "Restart=always", "RestartSec=0"],
      ],
      "kept.volume": ["[Volume]", "VolumeName=kept", ...globals(podman)],
    };
    const result = await withUnits(
      podman,
      units,
      `
      $S start service; echo start $?; show -p ActiveState -p StatusText service
      $P exec service ls /data; $P exec service cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
      $P exec service grep -E 'CapEff|NoNewPrivs' /proc/self/status
      pid=$($P inspect service --format '{{.State.Pid}}'); grep -o 'service.service/libpod-payload' /proc/$pid/cgroup
      [ $($P inspect service --format '{{.State.ConmonPid}}') = $($S show --value -p MainPID service) ] && echo conmon is the main process
      kill -KILL $pid
      until [ $($S show --value -p NRestarts service) = 1 ] && $S --quiet is-active service; do sleep 0.1; done
      $P exec service wc -l /data/starts
      $S stop service; show -p ActiveState -p Result service; $P ps -aq; $P volume ls -q`,
    );
    expect(result.stdout.replaceAll("\t", " ").split("\n")).toEqual([
      ...[
        "start 0",
        "active serving ",
        "soon",
        "starts",
        "67108864",
        "50",
        "CapEff: 0000000000000400",
        "NoNewPrivs: 1",
      ],
      ...[
        "service.service/libpod-payload",
        "conmon is the main process",
        "2 /data/starts",
        "inactive success ",
        "kept",
        "",
      ],
    ]);
  },
  systemd,
);

operation(
  BOTH,
  "Quadlet: a pod of two containers",
  async (podman) => {
    const member = (name: string): string[] => container(podman, name, "Pod=both.pod", `Exec=sh -c '${STAY}'`);
    const units = {
      "both.pod": ["[Pod]", "PodName=both", "Network=none", "PodmanArgs=--share=pid,ipc,uts,net", ...globals(podman)],
      "left.container": member("left"),
      "right.container": member("right"),
    };
    const result = await withUnits(
      podman,
      units,
      `
      $S start both-pod left right; echo start $?; for unit in both-pod left right; do show -p ActiveState $unit; done
      $P exec left cat /proc/1/comm; $P pod inspect both --format '{{.State}} {{.NumContainers}}'
      $S stop both-pod; for unit in both-pod left right; do show -p ActiveState -p Result $unit; done
      $P ps -aq; $P pod ps -q`,
    );
    expect(result.stdout.split("\n")).toEqual([
      ...["start 0", "active ", "active ", "active ", "catatonit", "Running 3"],
      ...["inactive success ", "inactive success ", "inactive success ", ""],
    ]);
  },
  systemd,
);

operation(
  BOTH,
  "Quadlet: Kubernetes' YAML",
  async (podman) => {
    const yaml = podman.box.path("pod.yaml");
    writeFileSync(
      yaml,
      `
apiVersion: v1
kind: Pod
metadata: {name: cube}
spec:
  containers:
  - name: c
    image: localhost/busybox:latest
    imagePullPolicy: Never
    command: [sh, -c, 'echo in a cube; ${STAY}']
`,
    );
    const units = { "cube.kube": ["[Kube]", `Yaml=${yaml}`, "Network=none", ...globals(podman)] };
    const result = await withUnits(
      podman,
      units,
      `
      $S start cube; echo start $?; show -p ActiveState -p SubState cube; $P logs cube-c
      $P ps -q | wc -l; $P ps --format '{{.Image}}' | grep busybox
      $S stop cube; show -p ActiveState -p Result cube; $P ps -aq; $P pod ps -q`,
    );
    expect(result.stdout.split("\n")).toEqual([
      ...["start 0", "active running ", "in a cube"],
      ...["3", "localhost/busybox:latest"],
      ...["inactive success ", ""],
    ]);
  },
  systemd,
);

operation(
  BOTH,
  "Quadlet: a container that is ready when its health check, which systemd's timer runs, succeeds",
  async (podman) => {
    // In the default storage: the timer calls Podman without options.
    const name = `healthy-${podman.box.word}`.toLowerCase();
    const lines = [
      ...["[Container]", `ContainerName=${name}`, `Image=localhost/${name}:latest`, "Pull=never", "Network=none"],
      ...[`GlobalArgs=--runtime ${runtimeProgram(podman.box)}`, "Notify=healthy"],
      ...["HealthCmd=test -e /tmp/well", "HealthInterval=1s"],
      `Exec=sh -c '(sleep 2; touch /tmp/well) & ${STAY}'`,
    ];
    const result = await withUnits(
      podman,
      { [`${name}.container`]: lines },
      `
      podman import ${podman.box.path("rootfs.tar")} ${name} >/dev/null 2>&1
      $S start ${name}; echo start $?; podman exec ${name} ls /tmp; podman inspect ${name} --format '{{.State.Health.Status}}'
      [ $(podman inspect ${name} --format '{{.State.ConmonPid}}') = $($S show --value -p MainPID ${name}) ] && echo conmon is the main process
      $S stop ${name}; show -p Result -p ActiveState ${name}; podman rmi ${name} >/dev/null`,
    );
    expect(result.stdout.split("\n")).toEqual([
      ...["start 0", "well", "healthy", "conmon is the main process", "inactive success ", ""],
    ]);
  },
  systemd,
);
