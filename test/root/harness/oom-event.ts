// `events` of a container whose processes the kernel kills for want of memory.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type Json, sh } from "./config.ts";
import type { Sandbox } from "./sandbox.ts";

/** Has a container with these limits run out of memory, and deletes it once `events` has told something, in so many milliseconds. */
export async function tellOfOom(box: Sandbox, limits: Json, patience: number) {
  const script = "while [ ! -e /go ]; do sleep 0.02; done; head -c 64m /dev/zero | tail >/dev/null; sleep 1000";
  const container = box.container(sh(script), limits);
  await container.runDetached();
  const events = box.begin(["events", "--interval", "1h", container.id]);
  await sleep(1000); // it listens by then
  container.writeFile("go", "");
  await once(events.stdout ?? events, "data", { signal: AbortSignal.timeout(patience) });
  await container.delete("--force");
  const { exitCode, stdout } = await events;
  return { exitCode, id: container.id, first: String(stdout).split("\n")[0] };
}
