// Agents of both architectures for the tests: the host's as tsrun starts it, the other one under user-mode emulation.

import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Architecture, hostArchitecture } from "../../../src/linux/abi/syscalls.ts";
import { Agent, socketpair } from "../../../src/linux/agent/agent.ts";
import { agentImage } from "../../../src/linux/agent/image.ts";
import { spawn } from "../../../src/linux/agent/posix-spawn.ts";
import { AGENT_SOCKET } from "../../../src/linux/agent/wire.ts";

const EMULATORS: Readonly<Record<Architecture, string>> = {
  arm64: "/usr/bin/qemu-aarch64-static",
  x64: "/usr/bin/qemu-x86_64-static",
};

/** Why agents of `arch` cannot run here, or undefined. */
export function missing(arch: Architecture): string | undefined {
  const emulator = EMULATORS[arch];
  return arch === hostArchitecture() || existsSync(emulator) ? undefined : `there is no ${emulator}`;
}

/** An agent of `arch`, started. Dispose of it. */
export function startAgent(arch: Architecture): Agent {
  return arch === hostArchitecture() ? Agent.spawn() : startEmulated(arch);
}

function startEmulated(arch: Architecture): Agent {
  const folder = mkdtempSync(join(tmpdir(), "agent-emulated-"));
  const [ours, theirs] = socketpair();
  try {
    const file = join(folder, "agent");
    writeFileSync(file, agentImage(arch, AGENT_SOCKET), { mode: 0o755 });
    // The program file must outlive the emulator's start, so the emulator gets it as an open descriptor.
    const program = openSync(file, "r");
    try {
      const argv = [EMULATORS[arch], `/proc/self/fd/${AGENT_SOCKET + 1}`].map((arg) => new TextEncoder().encode(arg));
      const fds = [[theirs, AGENT_SOCKET] as const, [program, AGENT_SOCKET + 1] as const];
      return Agent.adopted(ours, spawn({ path: EMULATORS[arch], argv, env: [], fds }));
    } finally {
      closeSync(program);
    }
  } finally {
    closeSync(theirs);
    rmSync(folder, { recursive: true });
  }
}
