// Attacks by way of the session keyring (session-keyring(7)), which is joined by its name: who has one of that name before the
// container is made, and lets others search it, would see what the container keeps in it, and choose what it finds there.

import { spawn } from "node:child_process";
import { describe, expect } from "vitest";
import { compileKeyring, compiler, keyringContainer, USER_NAMESPACES } from "../harness/keyring.ts";
import { except, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { OTHER } from "./attacker.ts";

/** Has a user of the host take the name, until the test ends. */
async function take(box: Sandbox, uid: number, name: string): Promise<void> {
  const program = box.path("keyring");
  compileKeyring(program);
  const holder = spawn(program, ["take", String(uid), name], { stdio: ["ignore", "pipe", "ignore"] });
  box.defer(() => void holder.kill("SIGKILL"));
  await new Promise((resolve) => holder.stdout.once("data", resolve));
}

describe("a keyring of the name that the container's would have", () => {
  for (const [who, uid] of [
    ["another user of the host", OTHER],
    ["root of another container", 0],
  ] as const) {
    for (const [where, overrides] of USER_NAMESPACES) {
      needs(compiler, except({ runc: "joins it", crun: "joins it" }))(
        `is not joined: one of ${who}${where}`,
        async ({ box }) => {
          const made = keyringContainer(box, "show", ...overrides);
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
  const made = keyringContainer(box, "close");
  await made.runDetached();
  expect(await made.untilOutput("\n0\n")).toContain("keyring;");
  const shown = await made.exec(["/keyring", "show"]);
  expect([shown.code, shown.stderr]).toEqual([0, ""]);
});
