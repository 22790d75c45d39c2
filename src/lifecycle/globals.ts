// The options before the command, from their words to what commands are given: --root made absolute, the two ways of
// naming the cgroup manager and the two of asking for debug lines made one.

import { absolute } from "../linux/paths.ts";
import { inUserNamespace } from "../linux/user-namespace.ts";
import type { CgroupManager, Globals } from "./command.ts";
import { GLOBAL_FLAGS } from "./command-table.ts";
import type { Values } from "./flag.ts";
import { type Level, Log } from "./log.ts";
import { type RawValues, withDefaults } from "./parse.ts";
import { UsageError } from "./usage-error.ts";
import { isOrdinaryUser } from "./users.ts";

type GlobalValues = Values<typeof GLOBAL_FLAGS>;

/** The log that the options ask for. */
export function logOf(given: RawValues): Log {
  const values = withDefaults(given, GLOBAL_FLAGS) as GlobalValues;
  const file = values.log === undefined ? undefined : absolute(values.log);
  return new Log({ file, format: values.logFormat, level: levelOf(values) });
}

/** What every command is told. Throws UsageError when --root is the root directory. */
export function globalsOf(given: RawValues, log: Log): Globals {
  const values = withDefaults(given, GLOBAL_FLAGS) as GlobalValues;
  const cgroupManager = managerOf(values);
  return {
    root: values.root === undefined ? defaultRoot() : checkedRoot(values.root),
    rootGiven: values.root !== undefined,
    log,
    debug: levelOf(values) === "debug",
    cgroupManager,
    systemdCgroup: cgroupManager === "systemd",
    rootless: values.rootless === "auto" ? "auto" : values.rootless === "true",
  };
}

function levelOf(values: GlobalValues): Level {
  return values.debug ? "debug" : (values.logLevel ?? "error");
}

/** conmon sends --systemd-cgroup, Podman then --cgroup-manager disabled: the more exact flag wins. */
function managerOf(values: GlobalValues): CgroupManager {
  return values.cgroupManager ?? (values.systemdCgroup ? "systemd" : "cgroupfs");
}

function checkedRoot(root: string): string {
  const path = absolute(root);
  if (path === "/") throw new UsageError("cannot keep state in /: --root must be another directory");
  return path;
}

/** /run/tsrun for root, the user's own run-time directory for others, and for those who are root only to themselves. */
export function defaultRoot(env: NodeJS.ProcessEnv = process.env): string {
  const own = env.XDG_RUNTIME_DIR;
  const rootless = isOrdinaryUser() || (env.USER !== "root" && inUserNamespace());
  return rootless && own ? `${absolute(own)}/tsrun` : "/run/tsrun";
}
