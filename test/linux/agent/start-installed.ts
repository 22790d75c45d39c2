// Run by agent.test.ts where memfds cannot be executed: starts an agent from each file named, and says what came of it.

import { print } from "../../../src/lifecycle/output.ts";
import { Agent } from "../../../src/linux/agent/agent.ts";
import { asProgram } from "../../engine/as-program.ts";

asProgram(() => {
  for (const installed of process.argv.slice(2)) print(`${attempt(installed)}\n`);
  return 0;
});

function attempt(installed: string): string {
  try {
    using agent = Agent.spawn({ installed });
    return agent.pid > 0 ? "started" : "no pid";
  } catch (error) {
    return (error as Error).message;
  }
}
