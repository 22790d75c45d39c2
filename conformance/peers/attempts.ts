// Runs every case on the runtime that RUNTIME names, and prints the answers as JSON: one process a runtime, since the harness
// knows one.

import { Sandbox } from "../../test/root/harness/sandbox.ts";
import type { Answer, Case } from "./case.ts";
import { CASES } from "./cases.ts";

const only = process.argv[2] ?? "";
const answers: Record<string, Answer> = {};
for (const one of Object.values(CASES).flat()) {
  if (one.wanted.includes(only)) answers[one.wanted] = await attempt(one);
}
console.log(JSON.stringify(answers));

async function attempt({ wanted, attempt }: Case): Promise<Answer> {
  const box = new Sandbox();
  const plain = (text: string): string => text.replaceAll(box.directory, "TMP").replaceAll(box.word, "ID");
  try {
    const { holds, said } = await attempt(box);
    return { holds, said: plain(said) };
  } catch (error) {
    const { message } = error as Error;
    const said = message.startsWith("timed out") ? "does not come back in 30 seconds" : message.trim();
    return { holds: false, said: plain(said) };
  } finally {
    // What a peer leaves is put down by close, which says so.
    await box.close().catch((error) => console.error(`${wanted}: ${plain(String(error))}`));
  }
}
