// Options of Podman's that ask something of the runtime, the API service, networks of an ordinary user, builds and hooks. Those about
// cgroups, mounts, namespaces and pods have files of their own.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { machine as ownMachine } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { kernelFile, program } from "../../test/root/harness/needs.ts";
import { BOTH, lines, operation, podmanSince, root, tester } from "./podman-user.ts";
import { natByNftables } from "./requirements.ts";

operation(BOTH, "--passwd-entry and --passwd=false", async (podman) => {
  const found = await lines(
    podman,
    `$P $RUN --user 4321 --passwd-entry 'me:*:$UID:$GID:Me:/:/bin/sh' busybox tail -1 /etc/passwd
    $P $RUN --user 4321 --passwd=false busybox tail -1 /etc/passwd | cut -d: -f1`,
  );
  expect(found).toEqual(["me:*:4321:0:Me:/:/bin/sh", "user"]);
});

operation(BOTH, "--preserve-fds", async (podman) => {
  const found = await lines(
    podman,
    `echo third >${podman.own}/3; echo fourth >${podman.own}/4
    $P $RUN --preserve-fds 2 busybox sh -c 'cat <&3; cat <&4; ls /proc/self/fd | wc -l' 3<${podman.own}/3 4<${podman.own}/4`,
  );
  expect(found).toEqual(["third", "fourth", "6"]);
});

operation(BOTH, "exec --preserve-fds", async (podman) => {
  const found = await lines(
    podman,
    `echo third >${podman.own}/3; $P run --detach --name c --network=none busybox sleep 60 >/dev/null
    $P exec --preserve-fds 1 c sh -c 'cat <&3' 3<${podman.own}/3`,
  );
  expect(found).toEqual(["third"]);
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
        for try in $(seq 200); do busybox wget -q -O - http://127.0.0.1:18081/group >${podman.own}/page 2>/dev/null && break; sleep 0.1; done; head -1 ${podman.own}/page`,
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

operation(BOTH, "capabilities of an ordinary user are ambient", async (podman) => {
  const words =
    "$P $RUN --user 1000 --cap-drop ALL --cap-add NET_ADMIN busybox grep -E '^Cap(Eff|Amb)' /proc/self/status";
  expect(await lines(podman, words)).toEqual(["CapEff: 0000000000001000", "CapAmb: 0000000000001000"]);
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

/** Since version 5 root's clone gets a network of netavark's, whatever the original has. */
const cloned = podmanSince(5, 0) === undefined ? natByNftables() : undefined;

for (const [user, missing] of [[root, cloned], [tester]] as const)
  operation(
    [user],
    "container clone",
    async (podman) => {
      // In a pod without a network: what `run` says of one the clone forgets. And with names that no id begins with.
      const given =
        "echo $COLOR; ls /v; cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes 2>/dev/null; true";
      const flags = `--detach --pod p --env COLOR=red -v ${podman.own}:/v --memory 64m`;
      const found = await lines(
        podman,
        `touch ${podman.own}/file; $P pod create --name p --network none --share net >/dev/null
    $P run --name one ${flags} busybox sh -c "trap exit TERM; sleep 60 & wait" >/dev/null
    $P container clone --pod p --run --memory 96m one two >/dev/null; for name in one two; do $P exec $name sh -c '${given}'; done
    $P container clone --pod p --destroy --force one three >/dev/null; $P start three >/dev/null; $P exec three sh -c '${given}'
    for name in one two three; do $P inspect $name --format '{{.State.Status}}' 2>/dev/null || echo none; done`,
      );
      const seen = (mebibytes: number) => ["red", "file", `${mebibytes << 20}`];
      const states = ["none", "running", "running"];
      expect(found.filter((line) => line !== "")).toEqual([...seen(64), ...seen(96), ...seen(64), ...states]);
    },
    missing,
  );
