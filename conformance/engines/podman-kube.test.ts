// Podman as Kubernetes reads: pods, deployments and what they mount, from YAML, as root and as an ordinary user.

import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Missing } from "../../test/root/harness/needs.ts";
import { scaled } from "./patience.ts";
import { BOTH, operation, type Podman, root, tester } from "./podman-user.ts";
import { natByNftables } from "./requirements.ts";

/** Stays until it is told to end. */
const STAY = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

/** A seccomp profile, as engines read it. */
const NO_MKDIR = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
};

/** The settings of the pod below, as environment and as files. */
const SETTINGS = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {COLOR: green}
---
`;

/** Needs Podman 5: 4.3 may end a pod's infra container while it starts the only other one anew. */
function restartsInPods(): Missing {
  const { stdout } = spawnSync("podman", ["--version"], { encoding: "utf8" });
  const major = Number(/version (\d+)/.exec(stdout ?? "")?.[1]);
  return major >= 5 ? undefined : "before Podman 5 a restart may find the pod's infra container ended";
}

/** Prints the memory limit that the kernel has for $pid, with either version of cgroups. */
const MEMORY_LIMIT = [
  "cgroup=$(grep :memory: /proc/$pid/cgroup | cut -d: -f3)",
  'if [ -n "$cgroup" ]; then cat /sys/fs/cgroup/memory$cgroup/memory.limit_in_bytes',
  "else cat /sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$pid/cgroup)/memory.max; fi",
].join("; ");

function webPod(podman: Podman): string {
  return `${SETTINGS}
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {container.seccomp.security.alpha.kubernetes.io/two: localhost/no-mkdir.json}
spec:
  shareProcessNamespace: true
  restartPolicy: Never
  initContainers:
  - name: first
    image: localhost/busybox:latest
    command: [sh, -c, "echo initial >/scratch/made"]
    volumeMounts: [{name: scratch, mountPath: /scratch}]
  containers:
  - name: one
    image: localhost/busybox:latest
    command: [sh, -c, "${STAY}"]
    envFrom: [{configMapRef: {name: settings}}]
    env: [{name: SIZE, value: large}]
    volumeMounts:
    - {name: scratch, mountPath: /scratch}
    - {name: host, mountPath: /host, readOnly: true}
    - {name: files, mountPath: /files}
    securityContext:
      runAsUser: 1000
      runAsGroup: 1001
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
    resources: {limits: {memory: 64Mi, cpu: 500m}}
  - name: two
    image: localhost/busybox:latest
    command: [sh, -c, "${STAY}"]
  volumes:
  - {name: scratch, emptyDir: {}}
  - {name: host, hostPath: {path: ${podman.own}, type: Directory}}
  - {name: files, configMap: {name: settings}}
`;
}

operation(BOTH, "kube play: a pod with an init container, volumes, limits and security contexts", async (podman) => {
  const yaml = podman.box.path("pod.yaml");
  writeFileSync(yaml, webPod(podman));
  writeFileSync(join(podman.own, "file"), "of the host\n");
  writeFileSync(join(podman.own, "no-mkdir.json"), JSON.stringify(NO_MKDIR));
  const one = "cat /scratch/made /host/file /files/COLOR; echo; echo $COLOR $SIZE $(id -u):$(id -g)";
  const denied = 'touch /x 2>&1; touch /host/x 2>&1; grep -E "CapEff|NoNewPrivs|Seccomp:" /proc/self/status';
  const result = await podman.run(`
    $P kube play --network none --seccomp-profile-root ${podman.own} ${yaml} >${podman.own}/log 2>&1 ||
      { cat ${podman.own}/log; exit 1; }
    $P exec web-one sh -c '${one}; ${denied}'
    $P exec web-two sh -c 'mkdir /y 2>&1; cat /proc/1/comm; ps -o user | grep -q ^user && echo sees one'
    pid=$($P inspect web-one --format '{{.State.Pid}}'); ${MEMORY_LIMIT}
    $P pod inspect web --format '{{.State}} {{.NumContainers}}'
    $P kube down ${yaml} >${podman.own}/log 2>&1; echo down $?; $P ps -aq; $P pod ps -q`);
  expect(result.stdout.replaceAll("\t", " ").split("\n")).toEqual([
    ...["initial", "of the host", "green", "green large 1000:1001"],
    ...["touch: /x: Read-only file system", "touch: /host/x: Read-only file system"],
    ...["CapEff: 0000000000000400", "NoNewPrivs: 1", "Seccomp: 2"],
    ...["mkdir: can't create directory '/y': Operation not permitted", "catatonit", "sees one"],
    ...["67108864", "Running 3", "down 0", ""],
  ]);
  expect(result.code).toBe(0);
});

operation(BOTH, "kube play: a deployment with a claimed volume", async (podman) => {
  const [claim, yaml] = [podman.box.path("claim.yaml"), podman.box.path("deployment.yaml")];
  writeFileSync(
    claim,
    `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claimed}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
`,
  );
  writeFileSync(
    yaml,
    `
apiVersion: apps/v1
kind: Deployment
metadata: {name: site}
spec:
  replicas: 1
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      containers:
      - name: c
        image: localhost/busybox:latest
        command: [sh, -c, "echo once more >>/data/log; ${STAY}"]
        volumeMounts: [{name: data, mountPath: /data}]
      volumes:
      - {name: data, persistentVolumeClaim: {claimName: claimed}}
`,
  );
  const result = await podman.run(`
    $P kube play ${claim} >/dev/null
    for time in 1 2; do
      $P kube play --network none ${yaml} >${podman.own}/log 2>&1 || { cat ${podman.own}/log; exit 1; }
      name=$($P ps --format '{{.Names}}' | grep '^site-.*-c$'); $P inspect $name --format '{{.State.Status}}'
      $P exec $name cat /data/log
      $P kube down ${yaml} >${podman.own}/log 2>&1; $P ps -aq
    done`);
  expect(result.stdout).toBe("running\nonce more\nrunning\nonce more\nonce more\n");
});

operation(BOTH, "kube generate: what is generated of a pod plays as that pod", async (podman) => {
  const run = "--user 5:6 --memory 48m --cap-drop all --cap-add net_bind_service --read-only --env COLOR=blue";
  const result = await podman.run(`
    cd ${podman.own}; $P pod create --name g --network none --share pid,ipc,uts,net >/dev/null
    $P run --detach --pod g --name member ${run} busybox sh -c "${STAY}" >/dev/null
    $P kube generate g >g.yaml 2>/dev/null; $P pod rm --force --time 0 g >/dev/null
    $P kube play --network none g.yaml >log 2>&1 || { cat log; exit 1; }
    pid=$($P inspect g-member --format '{{.State.Pid}}'); ${MEMORY_LIMIT}
    $P exec g-member sh -c 'id -u; id -g; echo $COLOR; grep CapBnd /proc/self/status; touch /x 2>&1; cat /proc/1/comm'
    $P kube down g.yaml >log 2>&1; $P ps -aq`);
  expect(result.stdout.replaceAll("\t", " ").split("\n")).toEqual([
    ...["50331648", "5", "6", "blue", "CapBnd: 0000000000000400", "touch: /x: Read-only file system", "catatonit", ""],
  ]);
});

operation(
  BOTH,
  "kube play: a liveness probe that fails has the container started anew",
  async (podman) => {
    const yaml = podman.box.path("probed.yaml");
    // The probe's limit is a second unless it says more, and a check that takes longer has failed, whatever it found.
    const timeout = scaled(5000) / 1000;
    writeFileSync(
      yaml,
      `
apiVersion: v1
kind: Pod
metadata: {name: probed}
spec:
  restartPolicy: Always
  containers:
  - name: c
    image: localhost/busybox:latest
    command: [sh, -c, "touch /tmp/well; echo started; ${STAY}"]
    livenessProbe:
      exec: {command: [test, -e, /tmp/well]}
      periodSeconds: 3600
      timeoutSeconds: ${timeout}
      failureThreshold: 1
`,
    );
    // Not by systemd's timer: that calls Podman without what says where this one keeps its containers.
    const result = await podman.run(`
    $P kube play --network none ${yaml} >${podman.own}/log 2>&1 || { cat ${podman.own}/log; exit 1; }
    pid() { $P inspect probed-c --format '{{.State.Pid}}'; }
    until $P logs probed-c | grep -q started; do sleep 0.05; done
    first=$(pid); $P healthcheck run probed-c; echo $?
    $P exec probed-c rm /tmp/well; $P healthcheck run probed-c >/dev/null 2>&1; echo $?
    tries=0; while [ $(pid) = $first ] || [ $(pid) = 0 ]; do sleep 0.1; tries=$((tries+1)); [ $tries -lt 200 ] || exit 1; done
    $P logs probed-c | grep -c started; $P healthcheck run probed-c; echo $?
    $P kube down ${yaml} >${podman.own}/log 2>&1; $P ps -aq`);
    expect(result.stdout).toBe("0\n1\n2\n0\n");
  },
  restartsInPods(),
);

for (const [user, ...missing] of [[root, netavarkInstalled(), natByNftables()], [tester]] as const)
  operation(
    [user],
    "kube play: a published port of the host's",
    async (podman) => {
      const yaml = podman.box.path("port.yaml");
      writeFileSync(
        yaml,
        `
apiVersion: v1
kind: Pod
metadata: {name: served}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: localhost/busybox:latest
    command: [httpd, -f, -p, "80", -h, /etc]
    ports: [{containerPort: 80, hostPort: 18080}]
`,
      );
      const result = await podman.run(`
    $P kube play --network ${user.id === 0 ? "podman" : "pasta"} ${yaml} >${podman.own}/log 2>&1 || { cat ${podman.own}/log; exit 1; }
    for try in $(seq 200); do busybox wget -q -O - http://127.0.0.1:18080/group >${podman.own}/page 2>/dev/null && break; sleep 0.1; done; head -1 ${podman.own}/page
    $P kube down ${yaml} >${podman.own}/log 2>&1; $P ps -aq`);
      expect(result.stdout).toBe("root:x:0:\n");
    },
    ...missing,
  );

/** Podman's own program for networks lies where only Podman looks. */
function netavarkInstalled(): Missing {
  const found = ["/usr/lib/podman/netavark", "/usr/libexec/podman/netavark"].some((path) => existsSync(path));
  return found ? undefined : "netavark is not installed";
}
