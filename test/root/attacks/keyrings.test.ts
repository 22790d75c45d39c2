// Attacks by way of the session keyring (session-keyring(7)), which is joined by its name: who has one of that name before the
// container is made, and lets others search it, would see what the container keeps in it, and choose what it finds there.

import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect } from "vitest";
import { type Json, linux, namespaces, sh } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { except, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { compiler } from "./attacker.ts";

/**
 * take UID NAME: as that user, has a keyring of the name that all may use, and stays
 * show: what the keyring of the process is; and puts a key into it
 * close: nobody may change what may be done with it any more
 */
const SOURCE = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char **words) {
  char text[256] = "";
  if (strcmp(words[1], "take") == 0) {
    if (setgid(atoi(words[2])) || setuid(atoi(words[2]))) return 1;
    long ring = syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, words[3]);
    syscall(SYS_keyctl, 5 /* KEYCTL_SETPERM */, ring, 0x3f3f3f3f);
    write(1, "taken\\n", 6);
    pause();
  }
  long ring = syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0);
  syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, -3, text, sizeof text - 1);
  printf("%ld %s\\n", ring, text);
  fflush(stdout);
  if (strcmp(words[1], "close") == 0) printf("%ld\\n", syscall(SYS_keyctl, 5, ring, 0x1f1f0000));
  return 0;
}`;

let built: string | undefined;

afterAll(() => {
  if (built !== undefined) rmSync(built, { recursive: true });
});

/** Path of the program on the host. */
function keyring(): string {
  if (built === undefined) {
    built = mkdtempSync(join(tmpdir(), "tsrun-keyring-"));
    chmodSync(built, 0o755);
    writeFileSync(join(built, "keyring.c"), SOURCE);
    execFileSync("gcc", ["-static", "-o", join(built, "keyring"), join(built, "keyring.c")]);
  }
  return join(built, "keyring");
}

/** Has a user of the host take the name, until the test ends. */
async function take(box: Sandbox, uid: number, name: string): Promise<void> {
  const holder = spawn(keyring(), ["take", String(uid), name], { stdio: ["ignore", "pipe", "ignore"] });
  box.defer(() => void holder.kill("SIGKILL"));
  await new Promise((resolve) => holder.stdout.once("data", resolve));
}

function container(box: Sandbox, script: string, ...overrides: Json[]): Container {
  chmodSync(box.directory, 0o755);
  const made = box.container(sh(`${script}; sleep 30`), ...overrides);
  execFileSync("cp", [keyring(), join(made.rootfs, "keyring")]);
  return made;
}

const KINDS = ["pid", "mount", "ipc", "uts", "network"];
const MAPS = [{ containerID: 0, hostID: 100_000, size: 65_536 }];

describe("a keyring of the name that the container's would have", () => {
  for (const [who, uid] of [
    ["another user of the host", 20_001],
    ["root of another container", 0],
  ] as const) {
    for (const [where, overrides] of [
      ["", [namespaces(...KINDS)]],
      [" in a user namespace", [namespaces(...KINDS, "user"), linux({ uidMappings: MAPS, gidMappings: MAPS })]],
    ] as const) {
      needs(compiler, except({ runc: "joins it", crun: "joins it" }))(
        `is not joined: one of ${who}${where}`,
        async ({ box }) => {
          const made = container(box, "/keyring show", ...overrides);
          await take(box, uid, `_ses.${made.id}`);
          expect((await made.runDetached()).code).toBe(0);
          const shown = await made.untilOutput("\n");
          expect(shown).toContain(`;_ses.${made.id}.`);
          expect((await made.exec(["/keyring", "show"])).stdout).toBe(shown);
        },
      );
    }
  }
});

needs(compiler)("a container that lets nobody change its keyring's permissions is still entered", async ({ box }) => {
  const made = container(box, "/keyring close");
  await made.runDetached();
  expect(await made.untilOutput("\n0\n")).toContain("keyring;");
  const shown = await made.exec(["/keyring", "show"]);
  expect([shown.code, shown.stderr]).toEqual([0, ""]);
});
