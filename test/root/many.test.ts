// Many at once: five hundred containers side by side, four commands at a time, and a container of a thousand processes. That
// nothing is left is tested; whether a command slows down with the number of containers is printed, for people.

import { readdirSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { test } from "./harness/fixture.ts";
import { cgroupsOf } from "./harness/leftovers.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const COUNT = 500;
const WIDTH = 4;
const PROCESSES = 1000;

test(`${COUNT} containers are created, paused, listed, resumed and deleted`, { timeout: 300_000 }, async ({ box }) => {
  const { bundle, id } = withoutCgroupsPath(box.container({ process: { args: ["sleep", "1000"] } }));
  const ids = Array.from({ length: COUNT }, (_, i) => `${id}-${i}`);
  box.defer(async () => void (await each(ids, (name) => box.call(["delete", "--force", name]))));
  const table = [
    await phase("create", ids, (name) => box.callDetached(["create", "--bundle", bundle, name], box.path(name))),
    await phase("state", ids, (name) => box.call(["state", name])),
    await phase("start", ids, (name) => box.call(["start", name])),
    await phase("pause", ids, (name) => box.call(["pause", name])),
    await phase("list", ids.slice(0, 20), () => box.call(["list", "--quiet"])),
  ];
  expect(await statuses(box)).toEqual({ paused: COUNT });
  table.push(await phase("resume", ids, (name) => box.call(["resume", name])));
  expect(await statuses(box)).toEqual({ running: COUNT });
  table.push(await phase("delete --force", ids, (name) => box.call(["delete", "--force", name])));
  console.log(["milliseconds a command, the first and the last fifth:", ...table].join("\n"));
  expect(readdirSync(box.root).filter((name) => name.startsWith(id))).toEqual([]);
  expect(cgroupsOf(id)).toEqual([]);
});

test(`delete --force ends ${PROCESSES} processes and leaves none`, async ({ box }) => {
  const container = box.container(sh(`for i in $(seq ${PROCESSES - 1}); do sleep 1000 & done; echo ready; wait`));
  await container.runDetached();
  await container.untilOutput("ready");
  const started = performance.now();
  expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
  console.log(`delete --force of ${PROCESSES} processes: ${Math.round(performance.now() - started)} ms`);
  expect(cgroupsOf(container.id)).toEqual([]);
});

/** So that each has one of its own name. */
function withoutCgroupsPath(container: Container): Container {
  const config = JSON.parse(readFileSync(`${container.bundle}/config.json`, "utf8"));
  delete config.linux.cgroupsPath;
  container.writeConfig(JSON.stringify(config));
  return container;
}

interface Ended {
  readonly code: number | undefined;
  readonly stderr: string;
}

/** Runs a command for each id; all must succeed. A line of the table. */
async function phase(name: string, ids: readonly string[], command: (id: string) => Promise<Ended>): Promise<string> {
  const times = await each(ids, async (id) => {
    const started = performance.now();
    expect(await command(id), `${name} ${id}`).toMatchObject({ code: 0 });
    return performance.now() - started;
  });
  const fifth = Math.ceil(times.length / 5);
  const [first, last] = [times.slice(0, fifth), times.slice(-fifth)].map(mean);
  return `${name.padEnd(15)} ${first?.toFixed(1).padStart(6)} ${last?.toFixed(1).padStart(6)}`;
}

/** Results in the order of the items, of which WIDTH are worked on at a time. */
async function each<Item, Value>(items: readonly Item[], work: (item: Item) => Promise<Value>): Promise<Value[]> {
  const results: Value[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at] as Item);
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  return results;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** How many containers have which status. */
async function statuses(box: Sandbox): Promise<Record<string, number>> {
  const { stdout } = await box.call(["list", "--format", "json"]);
  const counts: Record<string, number> = {};
  for (const { status } of JSON.parse(stdout) as { status: string }[]) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
