// What state and list cost: a living container's memory is not asked about. With real kills: test/root/oom.test.ts.

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Container } from "../../src/lifecycle/container.ts";
import { viewOf } from "../../src/lifecycle/container-view.ts";
import { limitsMemory } from "../../src/lifecycle/oom-death.ts";
import { processStat } from "../../src/lifecycle/process-identity.ts";
import type { State } from "../../src/lifecycle/state-file.ts";
import { temporary } from "./harness.ts";
import { sample } from "./sample.ts";

const alive = { pid: process.pid, pidStart: processStat("self")?.start ?? 0 };

function stored(changes: Partial<State>): Container {
  const container = Container.create(temporary(), "c1");
  container.update(sample(changes));
  container.unlock();
  return container;
}

/** A cgroup's directory with these files. */
function cgroup(files: Record<string, string>): Pick<State, "cgroups"> {
  const directory = temporary();
  for (const [name, text] of Object.entries(files)) writeFileSync(`${directory}/${name}`, `${text}\n`);
  return { cgroups: { mode: "v1", paths: { memory: directory } } };
}

const KILLED = { "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2" };
const LIMITED = { ...KILLED, "memory.limit_in_bytes": "4096", "memory.max_usage_in_bytes": "4000" };

it("a stopped container's memory is told of, in numbers that are exact or not there", () => {
  expect(viewOf(stored(cgroup(LIMITED))).oom).toEqual({ kills: 2, limit: 4096, peak: 4000 });
  const unlimited = { ...LIMITED, "memory.limit_in_bytes": "9223372036854771712" };
  expect(viewOf(stored(cgroup(unlimited))).oom).toEqual({ kills: 2, peak: 4000 });
  expect(viewOf(stored(cgroup(KILLED))).oom).toEqual({ kills: 2 });
});

it("a living container's cgroup is not looked at for it", () => {
  const where = cgroup(LIMITED);
  const file = `${where.cgroups.paths.memory}/memory.oom_control`;
  rmSync(file);
  execFileSync("mkfifo", [file]); // who opens it waits for ever
  expect(viewOf(stored({ ...alive, ...where })).oom).toBeUndefined();
});

it("a cgroup that may be another container's is not looked at", () => {
  expect(viewOf(stored({ ...cgroup(LIMITED), cgroupsMade: false }))).not.toHaveProperty("oom");
});

it.each([
  [undefined, false],
  [{ memory: { limit: 0 } }, false],
  [{ memory: { limit: -1 } }, false],
  [{ memory: { reservation: 4096 } }, false],
  [{ memory: { limit: 4096 } }, true],
  [{ memory: { limit: 2n ** 62n } }, true],
  [{ unified: { "memory.max": "4096" } }, true],
])("%o limits the memory: %s", (resources, limits) => expect(limitsMemory(resources)).toBe(limits));
