// Two images in one archive as `docker save` writes it, of one layer: that of the containers, and that of the process which holds a
// pod's namespaces and waits for the orphans in them ("pause").

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import type { Sandbox } from "../../../test/root/harness/sandbox.ts";
import { rootfsTar } from "../engine.ts";

export const IMAGE = "localhost/busybox:latest";
export const PAUSE_IMAGE = "localhost/pause:latest";

const COMMANDS = {
  [IMAGE]: ["sh"],
  [PAUSE_IMAGE]: ["sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 1000 & wait; done"],
};

/** Makes the archive; its path. */
export function imagesTar(box: Sandbox): string {
  const layer = readFileSync(rootfsTar(box));
  const diffId = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
  const manifest = Object.entries(COMMANDS).map(([name, Cmd], index) => {
    const Config = `image-${index}.json`;
    const config = {
      ...{ architecture: arch() === "arm64" ? "arm64" : "amd64", os: "linux" },
      ...{ config: { Env: ["PATH=/bin"], Cmd }, rootfs: { type: "layers", diff_ids: [diffId] } },
    };
    writeFileSync(box.path(Config), JSON.stringify(config));
    return { Config, RepoTags: [name], Layers: ["rootfs.tar"] };
  });
  writeFileSync(box.path("manifest.json"), JSON.stringify(manifest));
  const files = ["manifest.json", ...manifest.map(({ Config }) => Config), "rootfs.tar"];
  execFileSync("tar", ["-C", box.directory, "-cf", box.path("images.tar"), ...files]);
  return box.path("images.tar");
}
