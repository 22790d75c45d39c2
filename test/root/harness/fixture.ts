// `test` with a sandbox: the folder in which a test makes its bundles and the runtime keeps its state. It is closed when
// the test ends, however it ends, and closing fails the test if the runtime left anything behind.

import { test as plain } from "vitest";
import { Sandbox } from "./sandbox.ts";

export const test = plain.extend<{ box: Sandbox }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the parameters of a fixture from its source.
  box: async ({}, use) => {
    const box = new Sandbox();
    try {
      await use(box);
    } finally {
      await box.close();
    }
  },
});
