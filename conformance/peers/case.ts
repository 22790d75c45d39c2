// What a case is, and what is made of how a runtime answers.

import type { Result } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";

/** How a runtime answered. */
export interface Answer {
  /** Whether that is what is wanted. */
  readonly holds: boolean;
  /** What there was to see, in a line. */
  readonly said: string;
}

/** Something that tsrun does as is wanted, and a peer does not. */
export interface Case {
  /** What is wanted. */
  readonly wanted: string;
  /** The command and what matters of the config. */
  readonly asked: string;
  /** Who wants it so. */
  readonly because: string;
  readonly attempt: (box: Sandbox) => Promise<Answer>;
}

/** Status, and what was printed; where that is nothing, the last line of the complaint. */
export function tell({ code, signal, stdout, stderr }: Result): string {
  const [complaint = ""] = stderr.trim().split("\n").slice(-1);
  const text = stdout.trim() || complaint;
  return `${code === undefined ? signal : `status ${code}`}${text === "" ? "" : `: ${text}`}`;
}
