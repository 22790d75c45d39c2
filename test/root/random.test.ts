// Some hundreds of random configurations really created, started and deleted: what is refused is refused in words of ours
// and leaves nothing, and so does what is deleted. test/random says how they come to be, and why they do no harm here.

import { mkdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { expect, vi } from "vitest";
import { dockerLike, SMALL } from "../faults/configs.ts";
import { Injector, injectorMissing } from "../faults/inject.ts";
import { Subject } from "../faults/subject.ts";
import { crashText } from "../faults/sweep.ts";
import { changed, edits, type Value } from "../random/configs.ts";
import { tame } from "../random/tame.ts";
import { toText } from "../spec/fixtures.ts";
import { config } from "./harness/config.ts";
import { leftovers } from "./harness/leftovers.ts";
import { except, needs } from "./harness/needs.ts";

const RUNS = Number(process.env.TSRUN_RANDOM ?? 300);
const BASES = [config(), config(dockerLike(), { process: { terminal: false } }), config(SMALL)] as unknown as Value[];

vi.setConfig({ testTimeout: 600_000 });

needs(injectorMissing(), except({ runc: "has other rules for a config", crun: "has other rules for a config" }))(
  `${RUNS} random configurations are created and deleted, or refused, and nothing is left`,
  async ({ box }) => {
    const subject = new Subject(box, new Injector(box.makeDirectory("inject")), []);
    const { container } = subject;
    mkdirSync(`${container.bundle}/data`);
    const seed = Number(process.env.FC_SEED ?? 20_261_126);
    const counts = { created: 0, started: 0, refused: 0 };
    const property = fc.asyncProperty(fc.constantFrom(...BASES), edits, fc.nat(), async (from, changes, choice) => {
      container.writeConfig(toText(tame(changed(from, changes), `/${container.id}`, choice)));
      const { code, stderr } = subject.attemptCommand(subject.create());
      expect(stderr).not.toMatch(crashText);
      expect([0, 1], stderr).toContain(code);
      if (code === 0) {
        counts.created += 1;
        if (subject.attempt("start", container.id).code === 0) counts.started += 1;
        expect(subject.deleteByForce()).toEqual([]);
      } else {
        counts.refused += 1;
        expect(stderr).not.toBe("");
      }
      expect(subject.traces(), stderr).toEqual([]);
      await setImmediate(); // vitest's worker has to answer its parent
    });
    try {
      await fc.assert(property, { numRuns: RUNS, seed, endOnFailure: true });
    } finally {
      subject.deleteByForce();
      subject.forgetCache();
    }
    console.log(`seed ${seed}: ${counts.created} created, ${counts.started} started, ${counts.refused} refused`);
    expect(counts.created).toBeGreaterThan(RUNS / 5);
    expect(leftovers(box.word)).toEqual([]);
  },
);
