// config.md: POSIX-platform Hooks: a path MUST be absolute. Of startContainer hooks it is a path in the container.

import type { Config } from "../config.gen.ts";
import type { Report } from "../rules.ts";

const KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;

export function hookRules(config: Config, report: Report): void {
  for (const kind of KINDS) {
    for (const [index, hook] of (config.hooks?.[kind] ?? []).entries()) {
      if (!hook.path.startsWith("/")) report(["hooks", kind, index, "path"], "must be an absolute path");
    }
  }
}
