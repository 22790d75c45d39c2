// linux.resources.unified: "config-linux.md#unified". Files of the v2 cgroup by name, whatever they are, written last: they
// are what the config says most exactly. A file with lines for devices takes one a write.

import { ConfigError } from "../errors.ts";
import { setting, type Write } from "./setting.ts";

type Files = { readonly [file: string]: string };

/** Values may limit each other (cpu.max and cpu.max.burst), and the config has no order for them. */
export function unifiedV2(files: Files): Write[] {
  return Object.entries(files).flatMap(([file, text]) =>
    linesOf(text).flatMap((line) => setting(`unified[${JSON.stringify(file)}]`, file, line, { retryOn: "EINVAL" })),
  );
}

/** An empty text is a value too: cpuset.cpus takes it for "as the parent". */
function linesOf(text: string): string[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.length > 0 ? lines : [""];
}

/** Hybrid hosts keep their controllers on v1. @throws ConfigError when there is anything to write */
export function unifiedV1(files: Files): Write[] {
  const [file] = Object.keys(files);
  if (file === undefined) return [];
  const reason = "these files exist on cgroup v2 only, and this host has v1";
  throw new ConfigError(`linux.resources.unified[${JSON.stringify(file)}]`, reason);
}
