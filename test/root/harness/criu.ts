// What tests of checkpoint and restore share. CRIU is where it is installed, and the kernel has what it needs: in the guest under QEMU.

import { spawnSync } from "node:child_process";
import { release } from "node:os";
import { type Json, linux, namespaces, sh } from "./config.ts";
import type { Container } from "./container.ts";
import { kernelFile, type Missing, program } from "./needs.ts";
import type { CallOptions } from "./runtime.ts";
import type { Sandbox } from "./sandbox.ts";

/** CRIU, and a kernel with CONFIG_CHECKPOINT_RESTORE. */
export const criu = [program("criu"), kernelFile("/proc/self/timers")] as const;
/** An emulated machine is slow. */
export const SLOW: CallOptions = { timeout: 60_000 };

/** With pipes. (Node's are sockets, whose other end would be outside of the container.) */
export const PIPED: CallOptions = { ...SLOW, under: ["bash", "-c", 'exec > >(cat) 2>&1 </dev/null; exec "$0" "$@"'] };

/** Counts up in its output, and ends with 7 at TERM. */
export const counting = (): Json =>
  sh("trap 'echo term; exit 7' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done");

export function memoryTracking(): Missing {
  if (criu.some((reason) => reason !== undefined)) return undefined;
  const { status } = spawnSync("criu", ["check", "--feature", "mem_dirty_track"]);
  return status === 0 ? undefined : "this kernel does not track memory that changes";
}

/** From 6.16 on only unix sockets have SO_PASSCRED, which CRIU asks all for up to its version 4.1. */
export function socketOptions(): Missing {
  return isNewKernel() && criuVersion() < 402
    ? "CRIU cannot read the options of TCP sockets on this kernel"
    : undefined;
}

/** Under runc it is the same: `splice: -1: Bad file descriptor` in dump.log, and the restore waits for ever. */
export function lazyPages(): Missing {
  return isNewKernel() ? "CRIU loses lazy pages on this kernel" : undefined;
}

function isNewKernel(): boolean {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major * 1000 + minor >= 6016;
}

/** 4.1.1 is 401. */
function criuVersion(): number {
  const [, major, minor] =
    /(\d+)\.(\d+)/.exec(spawnSync("criu", ["--version"], { encoding: "utf8" }).stdout ?? "") ?? [];
  return Number(major) * 100 + Number(minor);
}

/** Root in it is the host's user 100000. */
export function mapped(box: Sandbox, ...overrides: readonly Json[]): Container {
  const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  const container = box.container(
    counting(),
    namespaces("pid", "network", "ipc", "uts", "mount", "user"),
    linux({ uidMappings: maps, gidMappings: maps }),
    ...overrides,
  );
  spawnSync("chown", ["--recursive", "--no-dereference", "100000:100000", container.rootfs]);
  box.makeReachable();
  return container;
}

/** The last number in an output. */
export function lastCount(output: string): number {
  return Number(output.trim().split("\n").at(-1));
}

export function checkpoint(box: Sandbox, { id }: Container, ...flags: readonly string[]) {
  return box.call(["checkpoint", "--image-path", box.path("images"), ...flags, id], SLOW);
}

export function restore(box: Sandbox, { id, bundle }: Container, ...flags: readonly string[]) {
  const args = ["restore", "--detach", "--bundle", bundle, "--image-path", box.path("images"), ...flags, id];
  return box.callDetached(args, box.path("restored"), SLOW);
}

export function pause(milliseconds = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
