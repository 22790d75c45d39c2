// Four suites. `unit` needs nothing and is part of `npm run ok`. `engine` builds and runs programs of our engine, for other
// architectures too. `root` runs real containers as root, one file at a
// time: its tests look at the whole machine for what was left behind. `engines` drives Podman, containerd and Docker.

import { defineConfig } from "vitest/config";
import { scaled } from "./conformance/engines/patience.ts";
import { SummaryReporter } from "./scripts/reporter.ts";

const patience = {
  ...{ testTimeout: scaled(120_000), hookTimeout: scaled(60_000), teardownTimeout: scaled(20_000) },
  expect: { poll: { timeout: scaled(20_000), interval: 10 } },
};
/** On a machine that is busy with others' work, and in a guest: what fails is tried once more, and `npm test` tells which were. */
const shared = { retry: process.env.CI ? 1 : 0 };
const alone = { fileParallelism: false, maxWorkers: 1 };

export default defineConfig({
  test: {
    passWithNoTests: false,
    reporters: ["default", new SummaryReporter()],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/root/**", "test/vm/**", "test/engine/**", "test/**/*.root.test.ts"],
          ...patience, // some start an engine, which on a cold disk takes seconds
        },
      },
      { test: { name: "engine", include: ["test/engine/**/*.test.ts"], ...patience, ...shared } },
      {
        test: {
          name: "root",
          include: ["test/root/**/*.test.ts", "test/**/*.root.test.ts"],
          ...patience,
          ...shared,
          ...alone,
        },
      },
      {
        test: {
          name: "engines",
          include: ["conformance/{article,engines}/**/*.test.ts"],
          maxConcurrency: 4,
          globalSetup: ["conformance/engines/versions.ts"],
          // On a busy machine engines lose output and give pipes up, with runc and crun as well: npm test tells which.
          retry: process.env.CI ? 2 : 1,
          ...patience,
          ...alone,
        },
      },
    ],
  },
});
