// Attacks on a process of tsrun's that can be seen in a container: the one that `exec` brings in, and an init that waits for
// `start` in a pid namespace that it shares with others (a pod). CVE-2016-9962 and its kin. ptrace(2), "Ptrace access mode
// checking"; process_vm_readv(2), pidfd_getfd(2), kill(2).

import { chmodSync, readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { dockersProfile } from "../../linux/seccomp/docker-profile.ts";
import { type Json, linux, namespaces } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { ListenerSocket } from "../harness/listener.ts";
import { except, kernel, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { PATIENCE } from "../harness/until.ts";
import { arm, attacking, compiler, onlyOurs } from "./attacker.ts";

const MAPS = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const userNamespace: Json = {
  linux: {
    ...(namespaces("pid", "mount", "ipc", "uts", "network", "user").linux as Json),
    ...{ uidMappings: MAPS, gidMappings: MAPS },
  },
};
const SETS = ["CAP_KILL", "CAP_SYS_PTRACE"];
const traces: Json = { process: { capabilities: { bounding: SETS, effective: SETS, permitted: SETS } } };

async function attackers(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(...overrides);
  arm(container);
  chmodSync(box.directory, 0o755); // root of a user namespace is to find its image
  expect((await container.runDetached()).code).toBe(0);
  await container.untilOutput("ready");
  return container;
}

/** A container that waits for its start in the pid namespace of another. */
async function waitingBeside(box: Sandbox, other: Container, ...overrides: Json[]): Promise<Container> {
  const { pid } = await other.state();
  const beside = namespaces(`pid=/proc/${pid}/ns/pid`, "mount", "ipc", "uts", "network");
  const container = box.container(beside, ...overrides);
  expect((await container.create()).code).toBe(0);
  return container;
}

const idle: Json = { process: { args: ["sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done"] } };

describe("the process that exec brings in", () => {
  const rows: [name: string, overrides: Json[], flags: string[]][] = [
    ["root with the same capabilities", [], []],
    ["the same user without any", [{ process: { user: { uid: 1000, gid: 1000 } } }], ["--user", "1000:1000"]],
    ["root of a user namespace, with CAP_SYS_PTRACE in it", [userNamespace, traces], []],
  ];
  for (const [name, overrides, flags] of rows) {
    needs(compiler, onlyOurs)(`cannot be read by ${name} (CVE-2016-9962)`, async ({ box }) => {
      const container = await attackers(box, attacking("spy"), ...overrides);
      for (let i = 0; i < 25; i++) expect((await container.exec(["true"], flags)).code).toBe(0);
      expect(container.output()).toBe("ready\n");
    });
  }

  // Whoever has CAP_SYS_PTRACE in the host's user namespace may trace it, and do all that it may.
  needs(compiler, onlyOurs)(
    "has no more rights than the container's, and its socket, when it is seen",
    async ({ box }) => {
      const container = await attackers(box, attacking("weigh"), traces, linux({ seccomp: dockersProfile() }));
      const user = ["--user", "1000:1000", "--additional-gids", "7"];
      await tryUntil(async () => {
        expect((await container.exec(["true"], user)).code).toBe(0);
        return container.output().includes("weighed");
      });
      const seen = new Set(container.output().match(/^weighed.*$/gm));
      const [none, granted] = ["0".repeat(16), "0000000000080020"];
      const rights = `CapInh:${none},CapPrm:${granted},CapEff:${granted},CapBnd:${granted},CapAmb:${none}`;
      // As it is born it has the envoy's, too, until its first system call: hostile.test.ts has what could be said there.
      const lines = [...seen].map((line) => line.replaceAll("\t", "").replace("socket:,socket:,", "socket:,"));
      expect(new Set(lines)).toEqual(
        new Set([`weighed Uid:1000100010001000,Groups:7 ,${rights},Seccomp:2, has socket:,`]),
      );
    },
  );

  // The filter is loaded by who has the right to, and is a listener's to be told of only when the process is there.
  needs(compiler, onlyOurs)(
    "has no more rights than the container's where its filter asks a listener, without no_new_privs",
    async ({ box }) => {
      const socket = new ListenerSocket(box);
      const syscalls = [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }];
      const asks = linux({ seccomp: { defaultAction: "SCMP_ACT_ALLOW", listenerPath: socket.path, syscalls } });
      const container = await attackers(box, attacking("weigh"), traces, asks);
      await socket.receive();
      await tryUntil(async () => {
        const running = container.exec(["true"]);
        const { told } = await socket.receive();
        expect(told.state).toMatchObject({ id: container.id, status: "running" });
        expect((await running).code).toBe(0);
        return container.output().includes("weighed");
      });
      const rights = container.output().match(/CapPrm:\s*\w+,CapEff:\s*\w+/g) ?? [];
      const granted = "\t0000000000080020";
      expect(new Set(rights)).toEqual(new Set([`CapPrm:${granted},CapEff:${granted}`]));
    },
  );

  needs(compiler, onlyOurs)(
    "is given up, and the caller told why, where it is stopped from inside",
    async ({ box }) => {
      const container = await attackers(box, attacking("stop"));
      await expectStopped(container);
      expect(container.output()).toMatch(/stopped \d+/);
    },
  );
});

describe("the process that exec brings in, traced", () => {
  needs(compiler, onlyOurs)("is given up where it is held, as where it is stopped", async ({ box }) => {
    const container = await attackers(box, attacking("hold"), traces);
    await expectStopped(container);
    expect(container.output()).toMatch(/held \d+/);
  });

  needs(compiler, except({ runc: "waits for the tracer", crun: "waits for the tracer" }))(
    "ends for its caller, with its status, though its tracer takes no notice",
    async ({ box }) => {
      const container = await attackers(box, attacking("haunt"), traces);
      // By itself alone: a child of its would have the tracer, too, and never be told of as ended.
      const look =
        'while read -r key value; do case $key in TracerPid:) [ "$value" != 0 ]; return;; esac; done </proc/$$/status';
      expect((await container.exec(["sh", "-c", `traced() { ${look}; }; until traced; do :; done; exit 7`])).code).toBe(
        7,
      );
      expect(container.output()).toMatch(/haunted \d+/);
    },
  );

  needs(compiler, onlyOurs)("is known to run though its socket is held open", async ({ box }) => {
    const container = await attackers(box, attacking("keep"), traces);
    await tryUntil(async () => {
      expect((await container.exec(["echo", "ran"])).stdout).toBe("ran\n");
      return container.output().includes("kept");
    });
    expect(container.output()).toMatch(/kept \d+/);
  });
});

describe("an init that waits in a pod", () => {
  const rows: [name: string, overrides: Json[]][] = [
    ["root with the same capabilities", []],
    ["root of a user namespace, with CAP_SYS_PTRACE in it", [userNamespace, traces]],
  ];
  for (const [name, overrides] of rows) {
    needs(compiler, onlyOurs)(`gives nothing away to ${name}`, async ({ box }) => {
      const container = await attackers(box, idle, ...overrides);
      const waiting = await waitingBeside(box, container);
      const { stdout } = await container.exec(["/attacker", "rob"]);
      // What sleeps in the attackers' own container is theirs to rob.
      const number = numberInside(Number((await waiting.state()).pid));
      expect(stdout).toContain(`tried ${number}\n`);
      expect(stdout.match(new RegExp(`^(?!tried).* ${number}$`, "gm")) ?? []).toEqual([]);
    });
  }

  // As with exec: whoever has CAP_SYS_PTRACE in the host's user namespace may trace it, and do all that it may.
  const rooted = "shows its init as root of the host, with all capabilities and descriptors of the host's";
  needs(
    compiler,
    kernel(6, 18),
    except({ runc: rooted, crun: rooted }),
  )("has no more rights than the container's, and its socket and fifos, when it is seen", async ({ box }) => {
    const pod = await attackers(box, attacking("weigh"), traces);
    const user = { process: { user: { uid: 1000, gid: 1000, additionalGids: [7] } } };
    let tries = 0;
    await tryUntil(async () => {
      const waiting = await waitingBeside(box, pod, traces, user, linux({ seccomp: dockersProfile() }));
      expect((await waiting.delete("--force")).code).toBe(0);
      tries += 1;
      return tries >= 30 && pod.output().includes("weighed");
    });
    const seen = new Set(pod.output().match(/^weighed.*(?= has )/gm));
    const [none, granted] = ["0".repeat(16), "0000000000080020"];
    const rights = `CapInh:${none},CapPrm:${granted},CapEff:${granted},CapBnd:${granted},CapAmb:${none}`;
    const lines = [...seen].map((line) => line.replaceAll("\t", ""));
    expect(lines).toEqual([`weighed Uid:1000100010001000,Groups:7 ,${rights},Seccomp:2,`]);
    const held =
      pod
        .output()
        .match(/(?<= has ).*$/gm)
        ?.flatMap((list) => list.split(",")) ?? [];
    const kinds = held.map((each) => each.replace(/^.*\//, ""));
    expect(new Set(kinds)).toEqual(new Set(["exec.fifo", "exec.failure", "socket:", ""]));
  });

  needs(compiler, onlyOurs)("ends where it was stopped, and neither start nor delete hangs", async ({ box }) => {
    const container = await attackers(box, idle);
    const waiting = await waitingBeside(box, container);
    const number = numberInside(Number((await waiting.state()).pid));
    await container.exec(["kill", "-STOP", String(number)]);
    const started = await waiting.start();
    expect(started).toMatchObject({ code: 1, stderr: expect.stringMatching(/was stopped before/) });
    expect((await waiting.state()).status).toBe("stopped");
    expect((await waiting.delete()).code).toBe(0);
  });
});

/** An exec is given up, sooner or later, since its process was stopped. */
async function expectStopped(container: Container): Promise<void> {
  let result = await container.exec(["true"]);
  await tryUntil(async () => {
    if (result.code === 0) result = await container.exec(["true"]);
    return result.code !== 0;
  });
  expect(result).toMatchObject({ code: 255, stderr: expect.stringMatching(/process \d+ was stopped before/) });
}

/** Tries again and again for a while: an attacker is not always quick enough. */
async function tryUntil(attempt: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 2 * PATIENCE; Date.now() < end && !(await attempt()); );
}

/** The number of a process in the innermost pid namespace. */
function numberInside(pid: number): number {
  const line = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(line?.split(/\s+/).at(-1));
}
