// containerd by itself, and all that it keeps in the sandbox. (For its CRI service there is cri/containerd.ts.)

import { writeFileSync } from "node:fs";
import type { Result } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import {
  client,
  enginePath,
  folderWithRunc,
  removeIfNew,
  removeParentCgroups,
  socketPath,
  startDaemon,
  untilAnswers,
} from "./engine.ts";

/** What one daemon is told that another is not. */
export interface ContainerdSettings {
  /** Plug-ins that are not to be loaded: without `io.containerd.` in front. */
  readonly disabled: readonly string[];
  /** Whether the runtime is what it finds as `runc`. */
  readonly asRunc?: boolean;
}

/** How its client `ctr` is called. */
export interface CtrClient {
  /** What stands before every command. The namespace is the parent cgroup's name, too: the sandbox's word. */
  readonly globals: readonly string[];
  readonly call: (...args: string[]) => Promise<Result>;
}

/** Starts the daemon, which ends with the sandbox. */
export async function startContainerd(
  box: Sandbox,
  { disabled, asRunc = false }: ContainerdSettings,
): Promise<CtrClient> {
  removeIfNew(box, "/run/containerd", `/run/containerd/runc/${box.word}`); // the runtime's root, by namespace
  removeParentCgroups(box);
  const socket = socketPath(box);
  const settings = [
    `version = 2\nroot = "${box.path("root")}"\nstate = "${box.path("run")}"`,
    `disabled_plugins = [${disabled.map((name) => `"io.containerd.${name}"`).join(", ")}]`,
    `[grpc]\naddress = "${socket}"\n`,
  ];
  writeFileSync(box.path("containerd.toml"), settings.join("\n"));
  const path = asRunc ? `${folderWithRunc(box)}:${enginePath()}` : enginePath();
  startDaemon(box, "env", [`PATH=${path}`, "containerd", "--config", box.path("containerd.toml")]);
  const globals = ["--address", socket, "--namespace", box.word];
  const call = client(box, "ctr", globals);
  await untilAnswers(box, "env", () => call("version"));
  return { globals, call };
}
