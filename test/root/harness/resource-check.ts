// Holds a container to a row of resource-cases.ts: the kernel's files say what the row says, from outside once `create`
// has returned and from inside once it runs; or, where the kernel lacks one of them, `create` fails by the field's name.

import { describe, expect } from "vitest";
import { cgroupVersion, fileInside, hasCgroupFile, OWN_CGROUP, readCgroup } from "./cgroup-files.ts";
import { type Json, sh } from "./config.ts";
import { cgroupsOf } from "./leftovers.ts";
import { LOOP, loopDevice, scheduleByWeight } from "./loop.ts";
import { except, type Missing, needs } from "./needs.ts";
import { DEVICE_CASES, RESOURCE_CASES, type ResourceCase } from "./resource-cases.ts";
import { runtimeKind } from "./runtime.ts";
import type { Sandbox } from "./sandbox.ts";

/** Declares a test for each row. */
export function resourceTests(...missing: readonly Missing[]): void {
  describe(`a setting on cgroup ${cgroupVersion} is made, or refused by name where the kernel lacks it`, () => {
    for (const row of RESOURCE_CASES) {
      needs(...missing, peers(row.runc))(row.name, ({ box }) => check(box, row));
    }
    for (const rowFor of DEVICE_CASES) {
      const { name } = rowFor({ major: 0, minor: 0 });
      needs(
        ...missing,
        ...LOOP,
        peers(),
      )(name, async ({ box }) => {
        const device = loopDevice(box);
        scheduleByWeight(box, device);
        await check(box, rowFor(device));
      });
    }
  });
}

function peers(runc?: string): Missing {
  return except({ crun: "leaves cgroups behind when a limit fails", ...(runc !== undefined && { runc }) });
}

async function check(box: Sandbox, row: ResourceCase): Promise<void> {
  const [wished, otherwise] = cgroupVersion === "v1" ? [row.v1] : [row.v2, row.v2Otherwise];
  const names = Object.keys({ ...wished, ...otherwise });
  const script = names.map((file) => `echo "<${file} $(cat ${fileInside(file)})>"`).join("; ");
  const resources: Json = { linux: { resources: row.resources } };
  const container = box.container(sh(`${script || ":"}; echo ready`), OWN_CGROUP, resources);
  const created = await container.create();
  // Asked after the runtime has handed all controllers on to where containers are.
  const there = [wished ?? {}, otherwise, row.ignored ? {} : undefined].find(
    (files) => files !== undefined && Object.keys(files).every((file) => hasCgroupFile(box, file)),
  );
  if (there === undefined || row.refused) {
    expect(created.code).toBe(1);
    expect(cgroupsOf(container.id)).toEqual([]);
    if (runtimeKind !== "tsrun") return; // which has words of its own
    expect(created.stderr.replaceAll('\\"', '"')).toContain(`linux.resources.${row.field}`);
    expect(created.stderr).toMatch(
      /container could not join|is not enabled in|No such device|no such setting|for itself and all below|exist on cgroup v2 only/,
    );
    return;
  }
  expect(created).toMatchObject({ code: 0, stderr: "" });
  for (const [file, text] of Object.entries(there)) expect(readCgroup(container.id, file), file).toBe(text);
  await container.start();
  const output = await container.untilOutput("ready");
  for (const [file, text] of Object.entries(there)) expect(output).toContain(`<${file} ${text}>`);
}
