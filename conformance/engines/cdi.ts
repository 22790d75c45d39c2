// A device as the Container Device Interface describes it: engines put its nodes, variables, mounts and hooks into config.json.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";

/** What `--device` takes. */
export const CDI_DEVICE = "tsrun.test/thing=one";

/** Prints what the device has brought, in a container. */
export const CDI_SEEN = "ls -l /dev/own | cut -c1; echo $THING; cat /etc/thing; touch /etc/thing 2>&1 || echo no";

/** Describes the device in a folder that an engine reads. */
export function describeDevice(box: Sandbox, directory: string): void {
  writeFileSync(box.path("thing"), "text\n");
  writeFileSync(box.path("hook"), `#!/bin/sh\ncat >"$1"\n`, { mode: 0o755 });
  const edits = {
    deviceNodes: [{ path: "/dev/own", hostPath: "/dev/kmsg" }],
    env: ["THING=one"],
    mounts: [{ hostPath: box.path("thing"), containerPath: "/etc/thing", options: ["bind", "ro"] }],
    hooks: [{ hookName: "createRuntime", path: box.path("hook"), args: ["hook", box.path("state")] }],
  };
  const [kind, name] = CDI_DEVICE.split("=");
  const specification = { cdiVersion: "0.5.0", kind, devices: [{ name, containerEdits: edits }] };
  writeFileSync(join(directory, `${box.word}.json`), JSON.stringify(specification));
}

/** Expects that a container has the device, by what it printed and by what the hook was told. */
export function expectDevice(box: Sandbox, printed: string, annotations: Readonly<Record<string, string>>): void {
  expect(printed).toBe("c\none\ntext\ntouch: /etc/thing: Read-only file system\nno");
  const state = JSON.parse(readFileSync(box.path("state"), "utf8"));
  expect(state).toMatchObject({
    status: expect.stringMatching(/^creat(ing|ed)$/),
    annotations,
    pid: expect.any(Number),
    bundle: expect.any(String),
  });
}
