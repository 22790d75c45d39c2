// Where create runs the hooks of the config: runtime-spec config.md#posix-platform-hooks. What they are told, and in which
// namespaces they run, is hooks.ts's.

import { ConfigError } from "../linux/errors.ts";
import type { Namespaces } from "../linux/namespaces.ts";
import type { SetUp } from "../linux/programs.ts";
import type { Config } from "../spec/config.gen.ts";

/** What the hooks of a container to be are told and put into. */
export interface HookPlace {
  readonly request: { readonly id: string };
  readonly config: Config;
  readonly bundle: string;
  readonly rootfs: string;
  /** Of init. */
  readonly pid: number;
  readonly namespaces: Namespaces;
}

/** The hooks of create, as setUp takes them. */
export function planHooks({ config }: HookPlace): Pick<SetUp, "runtimeHooks" | "containerHooks"> {
  const { prestart = [], createRuntime = [], createContainer = [] } = config.hooks ?? {};
  if (prestart.length + createRuntime.length + createContainer.length > 0) throw new ConfigError("hooks", "not yet");
  return { runtimeHooks: undefined, containerHooks: undefined };
}
