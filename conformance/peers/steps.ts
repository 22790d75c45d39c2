// What several cases begin with.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { idle, type Json } from "../../test/root/harness/config.ts";
import type { Container } from "../../test/root/harness/container.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";

/** A container that runs. Throws with the runtime's words where it does not. */
export async function running(box: Sandbox, ...overrides: readonly Json[]): Promise<Container> {
  const container = box.container(idle(), ...overrides);
  for (const step of [() => container.create(), () => container.start()]) {
    const { code, stderr } = await step();
    if (code !== 0) throw new Error(stderr);
  }
  await container.untilOutput("ready");
  return container;
}

/** A tmpfs of the host's, unmounted with the sandbox. */
export function hostTmpfs(box: Sandbox, options: string): string {
  const path = box.makeDirectory("tmpfs");
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]);
  box.defer(() => {
    execFileSync("umount", [path]);
  });
  return path;
}

/** Unmounts all that is mounted below a directory. */
export function unmountBelow(directory: string): void {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(`${directory}/`));
  for (const point of points.reverse()) execFileSync("umount", ["--lazy", point]);
}
