// The fault sweep: every system call of create, start, exec and delete, of tsrun and of its agents and init, made to fail,
// and tsrun killed there. Afterwards nothing is left, and the id is usable: the next attempt uses it. `npm test` tries a
// sample, the same each time; `npm run test:faults` tries all.

import { rmSync } from "node:fs";
import { expect, vi } from "vitest";
import { EINVAL } from "../../src/linux/abi/errno.ts";
import { dockerLike, SMALL } from "../faults/configs.ts";
import { Injector, injectorMissing } from "../faults/inject.ts";
import { creation, deleting, executing, failedCreation, starting } from "../faults/scenarios.ts";
import { REPORTER, Subject } from "../faults/subject.ts";
import { type Scenario, sweep, type Tally } from "../faults/sweep.ts";
import type { Json } from "./harness/config.ts";
import { holder } from "./harness/holder.ts";
import { leftovers } from "./harness/leftovers.ts";
import { except, needs } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const all = process.env.TSRUN_FAULTS === "all";

const SLEEPER: Json = { process: { args: ["sleep", "10000"], terminal: false } };

/** Nothing but its pid tells what is the container's. */
const NO_CGROUPS: Json = { ...SMALL, linux: { ...(SMALL.linux as Json), cgroupsPath: undefined } };

/** Of the whole set-up, and then no program. */
const FAILING: Json = { process: { args: ["/no/such/program"] } };

/** What an envoy makes: in the pid namespace of another, with no user namespace of its own, and no hooks that are told its pid. */
function inPod(pid: number): Json {
  const kinds = ["network", "mount", "ipc", "uts", "cgroup", "time"].map((type) => ({ type }));
  const namespaces = [...kinds, { type: "pid", path: `/proc/${pid}/ns/pid` }];
  const hooks = { prestart: undefined, createRuntime: undefined, createContainer: undefined };
  return { hooks, linux: { namespaces, uidMappings: undefined, gidMappings: undefined } };
}

/** A container that waits, and the file of a process that reports. */
function sleeper(
  box: Sandbox,
  injector: Injector,
  overrides: readonly Json[],
  process: Json,
): [subject: Subject, processFile: string] {
  const subject = new Subject(box, injector, overrides);
  return [subject, subject.container.processFile({ ...process, ...REPORTER })];
}

function lineOf({ name, calls, possible, tried, refused, killed, succeeded, missed, defects }: Tally): string {
  const ends = `${refused} refused, ${killed} killed, ${succeeded} made good, ${missed} not reached`;
  return `${name}: ${calls} calls, ${possible} faults at them, ${tried} tried (${ends}): ${defects.length} defects`;
}

type Make = (box: Sandbox, injector: Injector) => readonly Scenario[] | Promise<readonly Scenario[]>;

const SCENARIOS: Readonly<Record<string, Make>> = {
  "create of a small container": (box, injector) => [
    creation("create, small", 300, new Subject(box, injector, [SMALL])),
  ],
  "create of what Docker asks for": (box, injector) => [
    creation("create, Docker", 300, new Subject(box, injector, [dockerLike()], { terminal: true })),
  ],
  "create in a pod": async (box, injector) => {
    const pod = inPod(await holder(box, ["--pid"]));
    return [creation("create, pod", 300, new Subject(box, injector, [dockerLike(), pod], { terminal: true }))];
  },
  "create without a cached filter": (box, injector) => [
    creation("create, cold", 100, new Subject(box, injector, [dockerLike()], { terminal: true }), { coldCache: true }),
  ],
  "create that fails": (box, injector) => [
    failedCreation("create, failing", 200, new Subject(box, injector, [FAILING])),
  ],
  start: (box, injector) => [
    starting("start, small", 100, new Subject(box, injector, [SMALL])),
    starting("start, Docker", 200, new Subject(box, injector, [dockerLike()], { terminal: true })),
  ],
  exec: (box, injector) => [
    executing("exec, small", 200, ...sleeper(box, injector, [SMALL, SLEEPER], {})),
    executing(
      "exec, Docker",
      200,
      ...sleeper(
        box,
        injector,
        [dockerLike(), SLEEPER],
        (({ process }) => ({ ...(process as Json), terminal: false }))(dockerLike()),
      ),
    ),
  ],
  delete: (box, injector) => [
    deleting("delete, small", 100, new Subject(box, injector, [SMALL])),
    deleting("delete, no cgroups", 100, new Subject(box, injector, [NO_CGROUPS], { withoutCgroups: true })),
    deleting("delete, Docker", 200, new Subject(box, injector, [dockerLike()], { terminal: true })),
  ],
};

vi.setConfig({ testTimeout: all ? 7_200_000 : 600_000 });

const ours = except({ runc: "makes other calls", crun: "makes other calls" });

for (const [name, make] of Object.entries(SCENARIOS)) {
  needs(injectorMissing(), ours)(`faults in ${name}`, async ({ box }) => {
    const injector = new Injector(box.makeDirectory("inject"));
    box.defer(() => rmSync(`${box.root}/seccomp~`, { recursive: true, force: true }));
    const defects: string[] = [];
    for (const scenario of await make(box, injector)) {
      const tally = await sweep(injector, scenario, all);
      console.log(lineOf(tally));
      defects.push(...tally.defects);
    }
    expect(defects).toEqual([]);
    expect(leftovers(box.word)).toEqual([]);
  });
}

needs(injectorMissing(), ours)(
  "a host whose cgroups cannot be looked at does not pass for one without",
  async ({ box }) => {
    const injector = new Injector(box.makeDirectory("inject"));
    const subject = new Subject(box, injector, [SMALL]);
    subject.mustCreate(); // the first has more to make
    expect(subject.deleteByForce()).toEqual([]);
    const { calls } = injector.list(subject.create());
    expect(subject.deleteByForce()).toEqual([]);
    const looks = calls.filter(({ name, text }) => name === "statfs" && text.includes("/sys/fs/cgroup"));
    expect(looks).not.toEqual([]);
    for (const look of looks) {
      const { code, stderr } = injector.inject(subject.create(), look, EINVAL);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringContaining("EINVAL: invalid argument, statfs '/sys/fs/cgroup"),
      });
      expect(subject.traces()).toEqual([]);
    }
  },
);
