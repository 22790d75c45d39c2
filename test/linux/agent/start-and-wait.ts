// Run by agent.test.ts in a process of its own: starts an agent, says its pid, and waits to be killed.

import { writeSync } from "node:fs";
import { Agent } from "../../../src/linux/agent/agent.ts";

const agent = Agent.spawn();
writeSync(1, `${agent.pid}\n`);
setInterval(() => agent.pid, 60_000);
