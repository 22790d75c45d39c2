// Run by agent.test.ts where memfds cannot be executed: starts an agent from each file named, and says what came of it.

import { writeSync } from "node:fs";
import { Agent } from "../../../src/linux/agent/agent.ts";

for (const installed of process.argv.slice(2)) {
  writeSync(1, `${attempt(installed)}\n`);
}

function attempt(installed: string): string {
  try {
    using agent = Agent.spawn({ installed });
    return agent.pid > 0 ? "started" : "no pid";
  } catch (error) {
    return (error as Error).message;
  }
}
