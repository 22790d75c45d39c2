// A foreground `run` or `exec`: signals that tsrun gets go on to the process, and its end is ours. The agent, which is its
// parent, waits for it: that call is the answer that tsrun reads, without blocking, so that signals are seen meanwhile.

import type { Agent } from "../linux/agent/agent.ts";
import { AgentKernel } from "../linux/kernel.ts";
import { Out, Plan } from "../linux/plan.ts";
import type { ExitStatus } from "./command.ts";
import { isErrno } from "./output.ts";

/** Not handed on: they say something about tsrun and its own children, or cannot be caught. */
const KEPT: ReadonlySet<string> = new Set(["SIGCHLD", "SIGURG", "SIGKILL", "SIGSTOP", "SIGCLD"]);

/** Waits for process `pid`, a child of the agent's. The status is its own, or 128 and the number of the signal. */
export async function waitInForeground(agent: Agent, pid: number): Promise<ExitStatus> {
  const stop = forwardSignals(pid);
  try {
    const status = new Out(8);
    const plan = new Plan();
    plan.at("process").add({ name: "wait4", args: [pid, status, 0, 0] });
    const answers = await new AgentKernel(agent).runLater(plan);
    return exitStatus(new DataView(answers.bytes(status).slice().buffer).getUint32(0, true));
  } finally {
    stop();
    agent[Symbol.dispose]();
  }
}

/** The low seven bits of a wait status are the signal, if any; the next byte is what exit(3) was given. */
function exitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}

function forwardSignals(pid: number): () => void {
  const forward = (signal: NodeJS.Signals): void => {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (!isErrno(error, "ESRCH")) throw error;
    }
  };
  const { signals } = process.getBuiltinModule("node:os").constants;
  const names = (Object.keys(signals) as NodeJS.Signals[]).filter((name) => !KEPT.has(name));
  for (const name of names) process.on(name, forward);
  return () => {
    for (const name of names) process.off(name, forward);
  };
}
