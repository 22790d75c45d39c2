// The fault sweep: every system call of create, start, exec and delete, of tsrun and of its agents and init, made to fail,
// and tsrun killed there. Afterwards nothing is left, and the id is usable: the next attempt uses it. `npm test` tries a
// sample, the same each time; `npm run test:faults` tries all.

import { rmSync } from "node:fs";
import { expect } from "vitest";
import { dockerLike, SMALL } from "../faults/configs.ts";
import { Injector } from "../faults/inject.ts";
import { creation, deleting, executing, failedCreation, starting } from "../faults/scenarios.ts";
import { REPORTER, Subject } from "../faults/subject.ts";
import { type Scenario, sweep, type Tally } from "../faults/sweep.ts";
import type { Json } from "./harness/config.ts";
import { leftovers } from "./harness/leftovers.ts";
import { needs, program } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const all = process.env.TSRUN_FAULTS === "all";
const only = process.env.TSRUN_FAULTS_ONLY;
const missing = process.arch === "x64" ? undefined : "the helper knows the registers of x86-64 only";

const SLEEPER: Json = { process: { args: ["sleep", "10000"], terminal: false } };

/** Of the whole set-up, and then no program. */
const FAILING: Json = { process: { args: ["/no/such/program"] } };

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

function report(tallies: readonly Tally[]): string {
  const lines = tallies.map((t) =>
    [
      `${t.name}: ${t.calls} calls, ${t.possible} faults at them, ${t.tried} tried`,
      `(${t.refused} refused, ${t.killed} killed, ${t.succeeded} made good, ${t.missed} not reached): ${t.defects.length} defects`,
    ].join(" "),
  );
  return lines.join("\n");
}

type Make = (box: Sandbox, injector: Injector) => readonly Scenario[];

const SCENARIOS: Readonly<Record<string, Make>> = {
  "create of a small container": (box, injector) => [
    creation("create, small", 300, new Subject(box, injector, [SMALL])),
  ],
  "create of what Docker asks for": (box, injector) => [
    creation("create, Docker", 300, new Subject(box, injector, [dockerLike()], { terminal: true })),
  ],
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
    deleting("delete, Docker", 200, new Subject(box, injector, [dockerLike()], { terminal: true })),
  ],
};

for (const [name, make] of Object.entries(SCENARIOS)) {
  if (only !== undefined && !name.includes(only)) continue;
  needs(program("cc"), missing)(`faults in ${name}`, async ({ box }) => {
    const injector = new Injector(box.makeDirectory("inject"));
    box.defer(() => rmSync(`${box.root}/seccomp~`, { recursive: true, force: true }));
    const tallies = make(box, injector).map((scenario) => sweep(injector, scenario, all));
    console.log(report(tallies));
    if (process.env.TSRUN_FAULTS_TOLERATED)
      for (const { tolerated } of tallies)
        console.log(
          [...tolerated]
            .map(([key, n]) => `${n} ${key}`)
            .sort()
            .join("\n"),
        );
    expect(tallies.flatMap(({ defects }) => defects)).toEqual([]);
    expect(leftovers(box.word)).toEqual([]);
  });
}
