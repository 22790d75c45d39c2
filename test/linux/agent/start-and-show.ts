// Run by agent.test.ts with a descriptor that is not close-on-exec: says what descriptors an agent has.

import { readdirSync, writeSync } from "node:fs";
import { hostArchitecture } from "../../../src/linux/abi/syscalls.ts";
import { Agent } from "../../../src/linux/agent/agent.ts";
import { MESSAGE_MAX } from "../../../src/linux/agent/wire.ts";
import { message } from "./message.ts";

const agent = Agent.spawn();
// It has left execve behind when it answers, and with it all that is closed there.
agent.send(message(hostArchitecture(), []));
agent.receive(new Uint8Array(MESSAGE_MAX));
const names = readdirSync(`/proc/${agent.pid}/fd`).map(Number);
writeSync(1, names.sort((a, b) => a - b).join(" "));
agent[Symbol.dispose]();
