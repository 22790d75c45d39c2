// Attacks by the images that a container is restored from. What CRIU itself makes of images is CRIU's: whoever writes those says
// what the processes are. But the file that is tsrun's own, descriptors.json, gives away none of what tsrun and CRIU have.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect } from "vitest";
import { idle, type Json, namespaces } from "../harness/config.ts";
import { checkpoint, counting, criu, restore } from "../harness/criu.ts";
import { except, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";

/** The words of a restore from images that have such a descriptors.json; nothing is left of it. */
async function refusal(box: Sandbox, make: (file: string) => void): Promise<string> {
  make(`${box.makeDirectory("images")}/descriptors.json`);
  const container = box.container(idle());
  const { code, stderr } = await restore(box, container);
  expect(code).toBe(1);
  await expect(container.state()).rejects.toThrow("does not exist");
  return stderr;
}

describe("descriptors.json of hostile images", () => {
  const ofTsrun = needs(except({ runc: "takes them as they are", crun: "too" }));

  ofTsrun(
    "names no more than three: the fourth is a descriptor of CRIU's, of a directory of the host's",
    async ({ box }) => {
      const names = JSON.stringify([..."abc", ...Array.from({ length: 20 }, (_, i) => `pipe:[${i}]`)]);
      expect(await refusal(box, (file) => writeFileSync(file, names))).toContain(
        "--image-path: descriptors.json is no list",
      );
    },
  );

  ofTsrun("that is a FIFO keeps nobody waiting", async ({ box }) => {
    expect(await refusal(box, (file) => spawnSync("mkfifo", [file]))).toContain("is a FIFO, not a regular file");
  });
});

describe("a directory of hostile images", () => {
  const ofTsrun = needs(
    except({ runc: "writes to where links lead, and waits at FIFOs", crun: "1.8 has no CRIU in it" }),
  );
  /** In the directory, by a path of a file that is to be kept as it is. */
  const TRAPS: readonly [string, string, (images: string, kept: string) => void][] = [
    ["restore.log as a link", "restore.log is a link", (images, kept) => symlinkSync(kept, `${images}/restore.log`)],
    [
      "stats-restore as a link",
      "stats-restore is a link",
      (images, kept) => symlinkSync(kept, `${images}/stats-restore`),
    ],
    ["restore.log as a FIFO", "restore.log is a FIFO", (images) => spawnSync("mkfifo", [`${images}/restore.log`])],
    ["an image as a FIFO", "inventory.img is a FIFO", (images) => spawnSync("mkfifo", [`${images}/inventory.img`])],
    [
      "an image as a link to a device",
      "is a character device",
      (images) => symlinkSync("/dev/zero", `${images}/pages-1.img`),
    ],
    ["images before it that are itself", "to there again", (images) => symlinkSync(".", `${images}/parent`)],
  ];
  for (const [what, words, make] of TRAPS)
    ofTsrun(`that has ${what} keeps nobody waiting, and nothing else is written to`, async ({ box }) => {
      writeFileSync(box.path("kept"), "kept");
      const stderr = await refusal(box, (file) => {
        writeFileSync(file, "[]");
        make(dirname(file), box.path("kept"));
      });
      expect(stderr).toContain(words);
      expect(readFileSync(box.path("kept"), "utf8")).toBe("kept");
    });
});

describe("images of a container with fewer namespaces [qemu]", { timeout: 120_000 }, () => {
  const ofTsrun = except({ runc: "leaves the container in the host's", crun: "too" });
  const hook = (file: string): Json => ({ hooks: { createRuntime: [{ path: "/bin/touch", args: ["touch", file] }] } });

  for (const [type, at] of [
    ["network", "setup-namespaces"],
    ["cgroup", "post-restore"],
  ])
    needs(...criu, ofTsrun)(`do not put it into the host's: ${type}, seen at ${at}`, async ({ box }) => {
      const all = ["pid", "ipc", "uts", "mount", "network", "cgroup"];
      const container = box.container(counting(), namespaces(...all.filter((name) => name !== type)));
      expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
      await container.untilOutput("1\n");
      expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
      container.configure(counting(), namespaces(...all), hook(box.path("hook")));
      const words = `linux.namespaces: CRIU has restored the process in the host's ${type} namespace`;
      expect(await restore(box, container)).toMatchObject({ code: 1, stderr: expect.stringContaining(words) });
      await expect(container.state()).rejects.toThrow("does not exist");
      expect(existsSync(box.path("hook"))).toBe(at === "post-restore");
    });
});
