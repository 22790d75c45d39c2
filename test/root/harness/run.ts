// The two things that most tests do: run a container to its end and look at what it printed, or see it refused.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Json } from "./config.ts";
import type { Sandbox } from "./sandbox.ts";

/** Runs a container that must end with status 0 and keep quiet on stderr; returns what it printed. */
export async function outputOf(box: Sandbox, ...overrides: readonly Json[]): Promise<string> {
  const result = await box.container(...overrides).run();
  expect(result, "run").toMatchObject({ code: 0, stderr: "" });
  return result.stdout;
}

/** Creates a container that must be refused and leave no state; returns the runtime's words. */
export async function refusalOf(box: Sandbox, ...overrides: readonly Json[]): Promise<string> {
  const container = box.container(...overrides);
  const result = await container.create();
  expect(result.code, "exit code of create").toBe(1);
  expect(existsSync(join(box.root, container.id)), "state directory").toBe(false);
  return result.stderr;
}
