// One engine for all tests of a file, since starting one takes seconds: it starts with the first test that runs and ends, with
// its sandbox, after the last. A test's name is `ENGINE: OPERATION`, in the same words for every engine: table.ts makes rows of
// them. Each test removes what it has made, whether it passes or not, and some run at a time.

import { afterAll, test } from "vitest";
import type { Missing } from "../../test/root/harness/needs.ts";
import { Sandbox } from "../../test/root/harness/sandbox.ts";

/** Ends the test as skipped. */
export type Skip = (reason: string) => void;

/** An engine that runs. */
export interface Started<Engine> {
  /** What one test has of it, and removes at its end. */
  forTest(): Engine;
}

interface Tidy {
  tidy(): Promise<void>;
}

/** Declares a test of an operation; what it needs beside the engine follows. */
export type Operation<Engine> = (
  operation: string,
  body: (engine: Engine, skip: Skip) => Promise<void>,
  ...missing: readonly Missing[]
) => void;

/** Declares tests of an engine, which `start` starts in a sandbox of its own once one of them runs. */
export function operationsOf<Engine extends Tidy>(
  name: string,
  missing: readonly Missing[],
  start: (box: Sandbox) => Promise<Started<Engine>>,
): Operation<Engine> {
  let box: Sandbox | undefined;
  let started: Promise<Started<Engine>> | undefined;
  afterAll(() => box?.close());
  const running = () => {
    box ??= new Sandbox();
    started ??= start(box);
    return started;
  };
  return (operation, body, ...more) => {
    const reasons = [...missing, ...more].filter((reason) => reason !== undefined);
    // Most of what a test does is to wait.
    test.concurrent(`${name}: ${operation}`, async ({ skip }) => {
      if (reasons.length > 0) skip(reasons.join("; "));
      const engine = (await running()).forTest();
      try {
        await body(engine, skip);
      } finally {
        await engine.tidy();
      }
    });
  };
}
