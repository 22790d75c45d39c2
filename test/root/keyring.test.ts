// The session keyring (session-keyring(7)): a container has one of its own, by the name _ses.ID, and so has all that runs
// in it. Which one a process has, only itself can ask: a program in C does, since busybox has no keyctl(1).

import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Json, linux, mounts, namespaces, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { except, needs, program } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";

/** Prints the session keyring's number and what the kernel says it is: type;uid;gid;permissions;name. */
const SOURCE = `
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>
int main(void) {
  char text[256] = "";
  long id = syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0);
  syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, -3, text, sizeof text - 1);
  printf("%ld %s\\n", id, text);
}`;

const COMPILER = "gcc";
const gcc = program(COMPILER);
const names = except({ crun: "gives the keyring no name" });
const KINDS = ["pid", "mount", "ipc", "uts", "network"];
const MAPS = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const MAPPED = linux({ uidMappings: MAPS, gidMappings: MAPS });

/** A container whose process tells of its keyring and stays. */
function container(box: Sandbox, ...overrides: Json[]): Container {
  const one = box.container(sh("/session; sleep 1000"), ...overrides);
  compile(join(one.rootfs, "session"));
  return one;
}

function compile(path: string): void {
  writeFileSync(`${path}.c`, SOURCE);
  execFileSync(COMPILER, ["-static", "-o", path, `${path}.c`]);
}

async function started(one: Container, flags: string[] = []): Promise<string> {
  expect(await one.create(flags)).toMatchObject({ code: 0 });
  await one.start();
  return one.untilOutput("\n");
}

describe("the session keyring", () => {
  for (const [name, overrides] of [
    ["", [namespaces(...KINDS)]],
    [" in a user namespace", [namespaces(...KINDS, "user"), MAPPED]],
  ] as const) {
    needs(gcc, names)(`is new and named for the container${name}`, async ({ box }) => {
      chmodSync(box.directory, 0o755);
      const one = container(box, ...overrides);
      expect(await started(one)).toContain(`;_ses.${one.id}`);
    });

    const peers = except({ crun: "gives exec none", ...(name !== "" && { runc: "1.1 gives exec another" }) });
    needs(gcc, peers)(`is that of exec, too${name}`, async ({ box }) => {
      chmodSync(box.directory, 0o755);
      const one = container(box, ...overrides);
      const own = await started(one);
      expect((await one.exec(["/session"])).stdout).toBe(own);
    });
  }

  needs(gcc)("is the caller's with --no-new-keyring, for exec as well", async ({ box }) => {
    const one = container(box);
    expect(await started(one, ["--no-new-keyring"])).not.toContain(one.id);
    expect((await one.exec(["/session"])).stdout).not.toContain(one.id);
  });

  needs(gcc)("is that of hooks inside", async ({ box }) => {
    const directory = box.makeDirectory("log");
    compile(join(directory, "session"));
    const hook = (kind: string) => ({
      path: "/bin/sh",
      args: ["sh", "-c", `echo ${kind} $(${directory}/session) >>${directory}/log`],
      env: ["PATH=/bin:/usr/bin"],
    });
    const kinds = ["createContainer", "startContainer"];
    const bind = { destination: directory, type: "bind", source: directory, options: ["bind"] };
    const one = container(box, mounts(bind), {
      hooks: Object.fromEntries(kinds.map((kind) => [kind, [hook(kind)]])),
    });
    const own = await started(one);
    expect(readFileSync(join(directory, "log"), "utf8")).toBe(kinds.map((kind) => `${kind} ${own}`).join(""));
  });
});
