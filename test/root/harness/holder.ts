// A process in namespaces of its own that no runtime has made, for others to join.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Sandbox } from "./sandbox.ts";

/** A process in namespaces that unshare(1) makes; ends with the sandbox. */
export async function holder(box: Sandbox, flags: string[]): Promise<number> {
  const child = spawn("unshare", [...flags, "--fork", "--kill-child", "sh", "-c", "echo up; exec sleep 7200"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  box.defer(() => {
    child.kill("SIGKILL");
  });
  await once(child.stdout, "data");
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
  return Number(children.trim());
}
