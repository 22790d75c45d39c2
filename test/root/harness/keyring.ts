// Containers that tell of their session keyring. Which one a process has, only itself can ask: a program in C does (keyring.c says
// how it is called), since busybox has no keyctl(1).

import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Json, linux, namespaces, sh } from "./config.ts";
import type { Container } from "./container.ts";
import { program } from "./needs.ts";
import type { Sandbox } from "./sandbox.ts";

export const compiler = program("gcc");

const KINDS = ["pid", "mount", "ipc", "uts", "network"];
const MAPS = [{ containerID: 0, hostID: 100_000, size: 65_536 }];

/** With and without a user namespace: a word for a test's name, and overrides. */
export const USER_NAMESPACES: readonly (readonly [string, readonly Json[]])[] = [
  ["", [namespaces(...KINDS)]],
  [" in a user namespace", [namespaces(...KINDS, "user"), linux({ uidMappings: MAPS, gidMappings: MAPS })]],
];

/** Makes the program at a path. */
export function compileKeyring(path: string): void {
  execFileSync("gcc", ["-static", "-o", path, fileURLToPath(new URL("keyring.c", import.meta.url))]);
}

/** A container whose process calls /keyring with this word, and stays. */
export function keyringContainer(box: Sandbox, word: "show" | "close", ...overrides: readonly Json[]): Container {
  chmodSync(box.directory, 0o755); // for root of a user namespace
  const made = box.container(sh(`/keyring ${word}; sleep 1000`), ...overrides);
  compileKeyring(join(made.rootfs, "keyring"));
  return made;
}
