// Run by agent.test.ts with a descriptor that is not close-on-exec: says what descriptors an agent has.

import { print } from "../../../src/lifecycle/output.ts";
import { hostArchitecture } from "../../../src/linux/abi/syscalls.ts";
import { Agent } from "../../../src/linux/agent/agent.ts";
import { MESSAGE_MAX } from "../../../src/linux/agent/wire.ts";
import { list } from "../../../src/linux/directories.ts";
import { asProgram } from "../../engine/as-program.ts";
import { message } from "./message.ts";

asProgram(() => {
  using agent = Agent.spawn();
  // It has left execve behind when it answers, and with it all that is closed there.
  agent.send(message(hostArchitecture(), []));
  agent.receive(new Uint8Array(MESSAGE_MAX));
  const names = list(`/proc/${agent.pid}/fd`).map(({ name }) => Number(name));
  print(names.sort((a, b) => a - b).join(" "));
  return 0;
});
