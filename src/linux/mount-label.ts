// linux.mountLabel: the SELinux context of what is mounted for a container. runtime-spec config-linux.md#mount-label; mount(8),
// "Mount options for SELinux".
//
// A file system that is made for the container takes it as an option, for all of its files. Which option that is, an
// annotation that Podman sends may say. Some are no container's own, and cannot.

import type { Config } from "../spec/config.gen.ts";
import { O_DIRECTORY } from "./abi/fcntl.ts";
import { close, openat, syscall } from "./calls.ts";
import { ConfigError } from "./errors.ts";
import type { MountOptions } from "./mount-options.ts";
import type { Late, Plan } from "./plan.ts";

const ANNOTATION = "run.oci.mount_context_type";
const OPTIONS: readonly string[] = ["context", "fscontext", "defcontext", "rootcontext"];

/** How a file system comes by its label, where it is not by an option. */
const OTHERWISE: Readonly<Record<string, "not at all" | "by attribute">> = {
  proc: "not at all", // the kernel's own policy says
  sysfs: "not at all",
  mqueue: "by attribute", // it was made with its namespace, before it could be told
};

/** A mount option: its name and value. */
type Option = readonly [name: string, value: string];

/** The option that labels a new file system; undefined where none is to be labelled. */
export function labelOption({ linux, annotations = {} }: Config, type: string): Option | undefined {
  if (!linux?.mountLabel || OTHERWISE[type] !== undefined) return undefined;
  const name = annotations[ANNOTATION] ?? "context";
  if (!OPTIONS.includes(name))
    throw new ConfigError(`annotations["${ANNOTATION}"]`, `"${name}" is none of ${OPTIONS.join(", ")}`);
  return [name, linux.mountLabel];
}

/** The options of a mount, with the label; one of its own stands. */
export function withLabel(config: Config, type: string, options: MountOptions): MountOptions {
  const label = labelOption(config, type);
  if (label === undefined || options.data.some(isLabel)) return options;
  return { ...options, data: [...options.data, label.join("=")] };
}

function isLabel(option: string): boolean {
  return OPTIONS.includes(option.split("=", 1)[0] ?? "");
}

/** An option as mount(2) takes it: a label may hold commas. */
export function quoteLabel(option: string): string {
  return isLabel(option) ? option.replace(/="?(.*?)"?$/, '="$1"') : option;
}

/** An option as fsconfig(2) takes it. */
export function unquoteLabel(option: string): string {
  return isLabel(option) ? option.replace(/="(.*)"$/, "=$1") : option;
}

/** The label that the root directory of a mount is to be given as an attribute; undefined for most. */
export function labelAttribute({ linux }: Config, type: string): string | undefined {
  return OTHERWISE[type] === "by attribute" ? linux?.mountLabel || undefined : undefined;
}

/** Gives it to a mount, which must be writable. setxattr(2). */
export function planLabelAttribute(plan: Plan, mount: Late, label: string): void {
  const directory = plan.add(openat(mount, ".", O_DIRECTORY));
  plan.add(syscall("fsetxattr", directory, "security.selinux", label, new TextEncoder().encode(label).length, 0));
  plan.add(close(directory));
}
