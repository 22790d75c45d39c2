// Podman on the runtime, without a daemon. Everything that it keeps lies in the sandbox, and it runs in a network namespace of its
// own, where a bridge and rules for it disturb nobody.

import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect } from "vitest";
import { kernelFile, program } from "../../test/root/harness/needs.ts";
import { makeRootfs } from "../../test/root/harness/rootfs.ts";
import { handedOn } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { CommandLine, eventually } from "./command-line.ts";
import {
  callProgram,
  cgroupDriver,
  cgroupParent,
  engineEnvironment,
  keepForwarding,
  removeIfNew,
  removeParentCgroups,
  rootfsTar,
  runtimeProgram,
  startDaemon,
} from "./engine.ts";
import { operationsOf } from "./operations.ts";
import { bridge, inGuest, nat, rootIsShared, systemd, unifiedCgroups } from "./requirements.ts";
import { type Dialect, declareShared } from "./shared-operations.ts";
import { declareSharedOptions } from "./shared-options.ts";

const missing = [program("podman"), program("conmon"), program("script")];
/** Where root cannot raise limits, Podman's own are too high. */
const CONFIGURATION = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
`;

async function podman(box: Sandbox): Promise<CommandLine> {
  removeIfNew(box, "/dev/shm/libpod_lock", "/run/libpod", "/run/containers", "/var/lib/containers");
  keepForwarding(box);
  removeParentCgroups(box);
  writeFileSync(box.path("containers.conf"), CONFIGURATION);
  // Podman keeps its storage a mount.
  box.defer(async () => void (await callProgram(box, "umount", [box.path("storage/overlay")])));
  const words = [
    ...[`CONTAINERS_CONF=${box.path("containers.conf")}`, "podman"],
    ...["--root", box.path("storage"), "--runroot", box.path("run"), "--tmpdir", box.path("tmp")],
    ...["--network-config-dir", box.makeDirectory("networks"), "--storage-driver", "overlay"],
    ...["--events-backend", "file", "--cgroup-manager", cgroupDriver, "--runtime", runtimeProgram(box)],
  ];
  const defaults = ["--network=none", `--cgroup-parent=${cgroupParent(box)}`];
  const engine = new CommandLine(box, ["env", ...words], defaults);
  await engine.output("import", rootfsTar(box), "busybox");
  return engine;
}

const operation = operationsOf("podman", missing, podman);

const dialect: Dialect = {
  pids: "{{.PIDs}}",
  init: "podman-init",
  notFound: /executable file/,
  privileges: undefined,
  deviceLimits: undefined,
  timers: "Podman's timers look for containers in the usual folders only: see the next",
  oomKilled: unifiedCgroups("conmon 2.1 notes it in the wrong folder, and Podman does not see it"),
  propagation: rootIsShared(),
  events: ["--stream=false"],
};

declareShared(operation, dialect);
declareSharedOptions(operation, dialect);

operation("health check by hand", async (engine) => {
  const name = await engine.create(["--health-cmd=test -e /tmp/well", "--health-interval=disable"], "sleep", "1000");
  await engine.output("start", name);
  expect((await engine.call("healthcheck", "run", name)).code).toBe(1);
  await engine.output("exec", name, "touch", "/tmp/well");
  expect((await engine.call("healthcheck", "run", name)).code).toBe(0);
});

operation(
  "health check by a timer, in the usual folders",
  async ({ box }) => {
    const engine = new CommandLine(box, ["podman", "--runtime", runtimeProgram(box)], ["--network=none"]);
    await engine.output("import", box.path("rootfs.tar"), "busybox");
    const flags = ["--health-cmd=test -e /tmp/well", "--health-interval=1s", "--health-retries=1"];
    try {
      const name = await engine.start(flags);
      const health = () => engine.inspect(name, "{{.State.Health.Status}}");
      await eventually(health, "unhealthy");
      await engine.output("exec", name, "touch", "/tmp/well");
      await eventually(health, /^healthy$/);
    } finally {
      await engine.tidy();
    }
  },
  systemd("has the timers of Podman's health checks"),
  inGuest(),
);

operation("init and start", async (engine) => {
  const name = await engine.create([], "sh", "-c", "echo out; exit 3");
  await engine.output("init", name);
  expect(await engine.status(name)).toMatch(/^(initialized|created)$/);
  expect(await engine.pid(name)).toBeGreaterThan(1);
  expect(await engine.call("start", "--attach", name)).toMatchObject({ code: 3, stdout: "out\n" });
});

operation("descriptors handed on", async (engine) => {
  const [program, ...globals] = engine.words;
  const file = engine.box.path("handed");
  const fd = openSync(file, "w");
  const flags = ["run", "--rm", "--network=none", "--preserve-fds=1", "busybox"];
  const ended = await execa(program, [...globals, ...flags, "sh", "-c", "echo through >&3"], {
    reject: false,
    env: engineEnvironment(engine.box),
    stdio: ["ignore", "pipe", "pipe", handedOn(fd)],
  });
  closeSync(fd);
  expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
  expect(readFileSync(file, "utf8")).toBe("through\n");
});

operation("root file system in place of an image", async (engine) => {
  const root = engine.box.path("plain-root");
  makeRootfs(root);
  const flags = ["run", "--rm", "--network=none", "--rootfs", root];
  expect(await engine.output(...flags, "sh", "-c", "echo text >/new; cat /new")).toBe("text");
  expect(readFileSync(join(root, "new"), "utf8")).toBe("text\n");
});

operation("masked and unmasked paths", async (engine) => {
  const seen =
    "grep -c /proc/timer_list /proc/mounts; cd /proc/sys/kernel; cat shmmax 2>/dev/null >shmmax && echo writable";
  expect((await engine.run([], "sh", "-c", seen)).stdout).toBe("1\n");
  expect(await engine.shell(["--security-opt=unmask=ALL", "--security-opt=apparmor=unconfined"], seen)).toBe(
    "0\nwritable",
  );
  expect(await engine.shell(["--security-opt=mask=/etc/passwd"], "wc -c </etc/passwd")).toBe("0");
});

operation("systemd mode", async (engine) => {
  const shown = await engine.shell(
    ["--systemd=always"],
    "grep ' /run ' /proc/mounts; echo $container; ls -d /sys/fs/cgroup/*/ | head -1",
  );
  expect(shown).toMatch(/^tmpfs \/run tmpfs .*\n(podman|oci)(\n|$)/);
});

operation("umask", async (engine) => {
  expect(await engine.shell(["--umask=0077"], "umask")).toBe("0077");
});

operation("secret", async (engine) => {
  writeFileSync(engine.box.path("secret"), "hidden");
  await engine.output("secret", "create", "word", engine.box.path("secret"));
  expect(
    await engine.shell(["--secret=word,uid=1000,mode=0400"], "cat /run/secrets/word; stat -c %u:%a /run/secrets/word"),
  ).toBe("hidden1000:400");
  await engine.output("secret", "rm", "word");
});

operation("user namespace", async (engine) => {
  const maps = ["--uidmap=0:100000:65536", "--gidmap=0:100000:65536"];
  engine.box.makeReachable();
  expect(await engine.shell(maps, "cat /proc/self/uid_map; id -u")).toMatch(/^ +0 +100000 +65536\n0$/);
  const name = await engine.start([...maps, "--read-only", "--memory=64m"]);
  expect(statSync(`/proc/${await engine.pid(name)}`).uid).toBe(100000);
  expect(await engine.output("exec", "--user=1000", name, "id", "-u")).toBe("1000");
  await engine.output("stop", name);
});

operation("terminal in a user namespace", async (engine) => {
  engine.box.makeReachable();
  const maps = ["--uidmap=0:100000:65536", "--gidmap=0:100000:65536"];
  const terminal = engine.runOnTerminal([...maps, "--interactive", "--tty"], "sh");
  await terminal.until(/# /);
  terminal.type("echo here >/dev/console; exit 7\n");
  await terminal.until(/\r\nhere\r\n/);
  expect(await terminal.ended()).toBe(7);
});

operation("user namespace of another container", async (engine) => {
  engine.box.makeReachable();
  const name = await engine.start(["--uidmap=0:100000:65536", "--gidmap=0:100000:65536"]);
  const link = "readlink /proc/self/ns/user";
  const other = await engine.output("exec", name, "sh", "-c", link);
  expect(await engine.shell([`--userns=container:${name}`], link)).toBe(other);
});

operation("id-mapped volume", async (engine) => {
  const source = mkdtempSync(engine.box.path("volume-"));
  chmodSync(source, 0o755);
  writeFileSync(join(source, "file"), "");
  chownSync(join(source, "file"), 1000, 2000);
  engine.box.makeReachable();
  const owner = (option: string, ...flags: string[]) =>
    engine.shell([...flags, `--volume=${source}:/v:${option}`], "stat -c %u:%g /v/file");
  expect(await owner("idmap=uids=1000-5-1;gids=2000-6-1")).toBe("5:6");
  const maps = ["--uidmap=0:100000:65536", "--gidmap=0:100000:65536"];
  expect(await owner("ro", ...maps)).toBe("65534:65534");
  expect(await owner("idmap", ...maps)).toBe("1000:2000");
  expect(await owner("idmap=uids=@1000-7-1;gids=@2000-8-1", ...maps)).toBe("7:8");
});

let pods = 0;

/** A pod that is removed in the end. */
async function withPod(engine: CommandLine, flags: string[], body: (pod: string) => Promise<void>): Promise<void> {
  const pod = `pod-${engine.box.word}-${pods++}`;
  const id = await engine.output(
    "pod",
    "create",
    "--name",
    pod,
    "--network=none",
    `--cgroup-parent=${cgroupParent(engine.box)}`,
    ...flags,
  );
  try {
    await body(pod);
  } finally {
    await engine.output("pod", "rm", "--force", "--time=0", pod);
    // Podman forgets it in the hierarchies without controllers.
    for (const hierarchy of ["systemd", "unified"]) {
      const left = join("/sys/fs/cgroup", hierarchy, cgroupParent(engine.box), id);
      if (existsSync(left)) rmdirSync(left);
    }
  }
}

const NAMESPACES = "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done";

operation("pod", async (engine) => {
  await withPod(engine, ["--hostname=peas"], async (pod) => {
    const name = await engine.start([`--pod=${pod}`]);
    const first = (await engine.output("exec", name, "sh", "-c", NAMESPACES)).split("\n");
    const second = (await engine.shell([`--pod=${pod}`], NAMESPACES)).split("\n");
    expect(second.map((link, i) => link === first[i])).toEqual([true, true, true, false, false]);
    expect(await engine.shell([`--pod=${pod}`], "hostname")).toBe("peas");
  });
});

operation("pod with a shared pid namespace", async (engine) => {
  await withPod(engine, ["--share=pid,ipc"], async (pod) => {
    const flags = [`--pod=${pod}`, "--network=none"];
    await engine.start(flags);
    expect(await engine.shell(flags, "ps -o args")).toMatch(/catatonit(.*\n)*.*sleep 1000/);
  });
});

operation("pod's life", async (engine) => {
  await withPod(engine, [], async (pod) => {
    const name = await engine.start([`--pod=${pod}`]);
    const state = () => engine.output("pod", "inspect", "--format", "{{.State}}", pod);
    expect(await state()).toBe("Running");
    expect(await engine.output("pod", "top", pod)).toContain("sleep 1000");
    expect(await engine.output("pod", "stats", "--no-stream", "--format", "{{.Name}}", pod)).toContain(name);
    await engine.output("pod", "pause", pod);
    expect(await engine.status(name)).toBe("paused");
    await engine.output("pod", "unpause", pod);
    await engine.output("pod", "kill", "--signal=TERM", pod);
    await eventually(() => engine.status(name), "exited");
    await engine.output("pod", "restart", pod);
    expect(await engine.status(name)).toBe("running");
    await engine.output("pod", "stop", pod);
    expect(await state()).toBe("Exited");
  });
});

operation(
  "published port",
  async (engine) => {
    const network = `--net=/proc/${await inNetworkNamespace(engine)}/ns/net`;
    const there = new CommandLine(
      engine.box,
      ["nsenter", network, ...engine.words],
      [`--cgroup-parent=${cgroupParent(engine.box)}`],
    );
    const flags = ["--network=podman", "--publish=8080:80"];
    const name = await there.start(flags, "sh", "-c", "echo served >/tmp/page; httpd -f -h /tmp");
    try {
      const address = await there.inspect(name, "{{.NetworkSettings.Networks.podman.IPAddress}}");
      const fetch = (url: string) => callProgram(engine.box, "nsenter", [network, "busybox", "wget", "-qO-", url]);
      await eventually(async () => (await fetch(`http://${address}/page`)).stdout, "served");
      await eventually(async () => (await fetch("http://127.0.0.1:8080/page")).stdout, "served");
      expect(await there.shell(["--network=podman"], `wget -qO- http://${address}/page`)).toBe("served");
    } finally {
      await there.tidy();
    }
  },
  program("netavark") === undefined || existsSync("/usr/lib/podman/netavark") ? undefined : "netavark is not installed",
  bridge(),
  nat(),
);

/** The id of a process that has a network namespace of its own, as long as the sandbox is there. */
async function inNetworkNamespace(engine: CommandLine): Promise<number> {
  const file = engine.box.path("holder");
  startDaemon(engine.box, "unshare", ["--net", "sh", "-c", `ip link set lo up; echo $$ >${file}; exec sleep 10000`]);
  await eventually(async () => (existsSync(file) ? readFileSync(file, "utf8") : ""), /\d+\n/);
  return Number(readFileSync(file, "utf8"));
}

operation(
  "AppArmor",
  async (engine) => {
    const who = ["cat", "/proc/self/attr/current"];
    expect((await engine.run([], ...who)).stdout).toMatch(/^containers-default-\S+ \(enforce\)\n$/);
    expect((await engine.run(["--privileged"], ...who)).stdout).toBe("unconfined\n");
    const name = await engine.start([]);
    expect(await engine.output("exec", name, ...who)).toMatch(/^containers-default-\S+ \(enforce\)$/);
  },
  kernelFile("/sys/kernel/security/apparmor"),
);
