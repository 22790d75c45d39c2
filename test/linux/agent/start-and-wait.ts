// Run by agent.test.ts in a process of its own: starts an agent, says its pid, and waits to be killed.

import { print } from "../../../src/lifecycle/output.ts";
import { Agent } from "../../../src/linux/agent/agent.ts";
import { poll } from "../../../src/linux/poll.ts";
import { asProgram } from "../../engine/as-program.ts";

asProgram(() => {
  using agent = Agent.spawn();
  print(`${agent.pid}\n`);
  poll([]);
  return 0;
});
