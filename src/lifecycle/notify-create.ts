// The part of `create` and `run` that a service of Type=notify needs: see notify-socket.ts.

import { exists } from "../linux/file-status.ts";
import type { Config } from "../spec/config.gen.ts";
import { makeNotifyDirectory, managerSocket, notifyAdditions, notifyDirectory } from "./notify-socket.ts";

/** The configuration with what the container needs to say that it is ready; as it is where it has a way of its own. */
export function withNotify(config: Config, { root, id }: { readonly root: string; readonly id: string }): Config {
  const additions = managerSocket() && notifyAdditions(config, notifyDirectory(`${root}/${id}`));
  if (!additions) return config;
  const { process } = config;
  const env = [...(process?.env ?? []), additions.env];
  return {
    ...config,
    mounts: [...(config.mounts ?? []), additions.mount],
    ...(process !== undefined && { process: { ...process, env } }),
  };
}

/** Makes the directory that the container's socket will be in, where the configuration was given one. */
export function prepareNotify(directory: string): void {
  const path = notifyDirectory(directory);
  if (!exists(path)) makeNotifyDirectory(path);
}
