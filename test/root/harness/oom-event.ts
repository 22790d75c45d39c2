// `events` of a container whose processes the kernel kills for want of memory.

import { once } from "node:events";
import { type Json, sh } from "./config.ts";
import type { Sandbox } from "./sandbox.ts";
import { PATIENCE } from "./until.ts";

/** Has a container with these limits run out of memory, and deletes it once `events` has told something. */
export async function tellOfOom(box: Sandbox, limits: Json) {
  // Again and again: of what was before it listens `events` tells nothing.
  const script = "while :; do head -c 64m /dev/zero | tail >/dev/null; sleep 0.1; done";
  const container = box.container(sh(script), limits);
  await container.runDetached();
  const events = box.begin(["events", "--interval", "1h", container.id]);
  await once(events.stdout ?? events, "data", { signal: AbortSignal.timeout(PATIENCE) });
  await container.delete("--force");
  const { exitCode, stdout } = await events;
  return { exitCode, id: container.id, first: String(stdout).split("\n")[0] };
}
