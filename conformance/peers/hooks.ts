// Cases about hooks.

import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { idle, type Json, sh } from "../../test/root/harness/config.ts";
import type { Container } from "../../test/root/harness/container.ts";
import { type Case, tell } from "./case.ts";

export const HOOKS: readonly Case[] = [
  {
    wanted: "poststart hooks run once the program has been started",
    asked: "`create`, hooks.poststart: `touch FILE`",
    because: "config.md#poststart: after the program is executed, before `start` returns",
    async attempt(box) {
      const mark = box.path("mark");
      const container = box.container(idle(), hooks({ poststart: `touch ${mark}` }));
      await container.create();
      const early = existsSync(mark);
      const { code } = await container.start();
      const inTime = existsSync(mark);
      const when = early ? "in create" : inTime ? "in start" : "not by the end of start";
      return { holds: !early && inTime && code === 0, said: `ran ${when}` };
    },
  },
  {
    wanted: "A poststart hook that fails ends the container",
    asked: "`create`, `start`, hooks.poststart: `exit 5`",
    because: "runtime.md#lifecycle, step 9: `start` MUST generate an error, the container be stopped, and be destroyed",
    async attempt(box) {
      const container = box.container(idle(), hooks({ poststart: "exit 5" }));
      const created = await container.create();
      const result = created.code === 0 ? await container.start() : created;
      const status = await statusOf(container);
      return {
        holds: created.code === 0 && result.code !== 0 && status !== "running",
        said: `${tell(result)}; then ${status}`,
      };
    },
  },
  {
    wanted: "A startContainer hook that fails keeps the program from running",
    asked: "`create`, `start`, hooks.startContainer: `exit 4`",
    because: "runtime.md#lifecycle, step 7: MUST generate an error and stop the container",
    async attempt(box) {
      const container = box.container(sh("echo ran"), hooks({ startContainer: "exit 4" }));
      const created = await container.create();
      const result = created.code === 0 ? await container.start() : created;
      const status = await statusOf(container);
      const output = container.output();
      const holds = created.code === 0 && result.code !== 0 && output === "";
      return { holds, said: `${tell(result)}; then ${status}${output === "" ? "" : ", and the program ran"}` };
    },
  },
  {
    wanted: "poststop hooks run where `create` fails of a hook",
    asked: "`create`, hooks.createRuntime: `exit 3`, hooks.poststop: `touch FILE`",
    because:
      "runtime.md#lifecycle, step 4: stop the container, and continue with step 12, which the poststop hooks follow",
    async attempt(box) {
      const mark = box.path("mark");
      const result = await box
        .container(idle(), hooks({ createRuntime: "exit 3", poststop: `touch ${mark}` }))
        .create();
      const ran = existsSync(mark);
      return { holds: result.code !== 0 && ran, said: `status ${result.code}, ${ran ? "" : "not "}run` };
    },
  },
  {
    wanted: "poststop hooks behind one that fails run nevertheless",
    asked: "`delete`, hooks.poststop: `exit 6`, and `touch FILE`",
    because: "runtime.md#lifecycle, step 13: the remaining hooks and the lifecycle MUST continue",
    async attempt(box) {
      const mark = box.path("mark");
      const container = box.container(sh("true"), hooks({ poststop: ["exit 6", `touch ${mark}`] }));
      await container.create();
      await container.start();
      await container.until("stopped");
      const { code } = await container.delete();
      const ran = existsSync(mark);
      return { holds: code === 0 && ran, said: `status ${code}, the second ${ran ? "" : "not "}run` };
    },
  },
  {
    wanted: "A hook whose path is relative is refused",
    asked: '`create`, hooks.poststop[0].path: "bin/true"',
    because: "config.md#posix-platform-hooks: path MUST be an absolute path",
    async attempt(box) {
      const result = await box.container(idle(), { hooks: { poststop: [{ path: "bin/true" }] } }).create();
      return { holds: result.code !== 0, said: tell(result) };
    },
  },
];

/** Scripts that first read what they are told: some peers die of hooks that do not. */
function hooks(scripts: Readonly<Record<string, string | readonly string[]>>): Json {
  const lists = Object.entries(scripts).map(([kind, list]) => [
    kind,
    [list].flat().map((script) => ({
      path: "/bin/sh",
      args: ["sh", "-c", `cat >/dev/null; ${script}`],
      env: ["PATH=/bin:/usr/bin"],
    })),
  ]);
  return { hooks: Object.fromEntries(lists) };
}

/** Once what was to end had a second for it. */
async function statusOf(container: Container): Promise<string> {
  let status = "gone";
  for (let tries = 0; tries < 50; tries += 1) {
    status = await container.state().then(
      (state) => state.status,
      () => "gone",
    );
    if (status === "stopped" || status === "gone") break;
    await sleep(20);
  }
  return status;
}
