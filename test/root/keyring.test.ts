// The session keyring (session-keyring(7)): a container has one of its own, which is named for it, and so has all that runs in it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { mounts } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { compileKeyring, compiler, keyringContainer, USER_NAMESPACES } from "./harness/keyring.ts";
import { except, needs } from "./harness/needs.ts";

const names = except({ crun: "gives the keyring no name" });

async function started(one: Container, flags: string[] = []): Promise<string> {
  expect(await one.create(flags)).toMatchObject({ code: 0 });
  await one.start();
  return one.untilOutput("\n");
}

describe("the session keyring", () => {
  for (const [name, overrides] of USER_NAMESPACES) {
    needs(compiler, names)(`is new and named for the container${name}`, async ({ box }) => {
      const one = keyringContainer(box, "show", ...overrides);
      expect(await started(one)).toContain(`;_ses.${one.id}`);
    });

    const peers = except({ crun: "gives exec none", ...(name !== "" && { runc: "1.1 gives exec another" }) });
    needs(compiler, peers)(`is that of exec, too${name}`, async ({ box }) => {
      const one = keyringContainer(box, "show", ...overrides);
      const own = await started(one);
      expect((await one.exec(["/keyring", "show"])).stdout).toBe(own);
    });
  }

  needs(compiler)("is the caller's with --no-new-keyring, for exec as well", async ({ box }) => {
    const one = keyringContainer(box, "show");
    expect(await started(one, ["--no-new-keyring"])).not.toContain(one.id);
    expect((await one.exec(["/keyring", "show"])).stdout).not.toContain(one.id);
  });

  needs(compiler)("is that of hooks inside", async ({ box }) => {
    const directory = box.makeDirectory("log");
    compileKeyring(join(directory, "keyring"));
    const hook = (kind: string) => ({
      path: "/bin/sh",
      args: ["sh", "-c", `echo ${kind} $(${directory}/keyring show) >>${directory}/log`],
      env: ["PATH=/bin:/usr/bin"],
    });
    const kinds = ["createContainer", "startContainer"];
    const bind = { destination: directory, type: "bind", source: directory, options: ["bind"] };
    const one = keyringContainer(box, "show", mounts(bind), {
      hooks: Object.fromEntries(kinds.map((kind) => [kind, [hook(kind)]])),
    });
    const own = await started(one);
    expect(readFileSync(join(directory, "log"), "utf8")).toBe(kinds.map((kind) => `${kind} ${own}`).join(""));
  });
});
