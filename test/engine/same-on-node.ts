// What must come out the same on Node and in a program of our engine: run in both, by engine.test.ts and by checks.ts.

import type { SyscallName } from "../../src/linux/abi/syscalls.ts";
import { encode } from "../../src/linux/encode.ts";
import { AgentSocket, type Arg, Out, OutWord, Plan, Result, Strings, Struct } from "../../src/linux/plan.ts";
import { parseConfig } from "../../src/spec/load.ts";

/** What parseConfig makes of a text, in words that Node's has too. */
export function verdictOf(text: string): unknown {
  try {
    return parseConfig(text);
  } catch (error) {
    return `${(error as Error).name} ${(error as Error).message}`;
  }
}

/** What TextDecoder makes of bytes: by default, when it keeps a byte order mark, and when it must not replace anything. */
export function decoded(bytes: Uint8Array): unknown {
  return [
    new TextDecoder().decode(bytes),
    new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
    caught(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes)),
  ];
}

/** A call of a plan: its name, how it may fail, and its arguments, each a word that says what it is, and with what. */
export interface Recipe {
  readonly name: SyscallName | "adopt";
  readonly as: "add" | "tolerate" | "probe" | "unless" | "orElse" | "addSocket";
  readonly args: readonly (readonly [kind: string, number: number, text: string])[];
}

/** The message that an agent gets for a plan, how much is loaded ahead of it and how that ends, and what lies where. */
export function messageOf(recipes: readonly Recipe[]) {
  const plan = new Plan();
  for (const { name, as, args } of recipes) {
    const call = { name, args: args.map(argumentOf) };
    if (as === "add" || as === "probe" || as === "addSocket") plan[as](call);
    else if (as === "tolerate") plan.tolerate("EEXIST", call);
    else plan[as]("ENOENT", call, () => void plan.add({ name: "getpid", args: [] }));
  }
  const { message, far, outs, replyLength } = encode(plan.steps);
  return { message: [...message], far: [far.length, ...far.subarray(-3)], outs: [...outs.values()], replyLength };
}

const OUTS = [new Out(8), new Out(13, new Uint8Array(13).fill(7)), new Out(300)];

function argumentOf([kind, number, text]: Recipe["args"][number]): Arg {
  const bytes = new TextEncoder().encode(text);
  const out = OUTS[Math.abs(number) % OUTS.length] ?? new Out(8);
  if (kind === "string") return text;
  if (kind === "long") return text.repeat(200_000);
  if (kind === "bigint") return BigInt(number) * 4096n;
  if (kind === "result") return new Result(Math.abs(number) % 1000);
  if (kind === "socket") return new AgentSocket();
  if (kind === "out") return out;
  if (kind === "word") return new OutWord(out, 0);
  if (kind === "bytes") return bytes;
  if (kind === "strings") return new Strings([text, bytes, ""]);
  if (kind === "struct") return new Struct(new Uint8Array(16), [[8, bytes]]);
  return number;
}

/** The order in which a stack's resources go, also where one of them throws. */
export function disposal(): unknown {
  const order: string[] = [];
  const note = (name: string) => () => void order.push(name);
  {
    using stack = new DisposableStack();
    stack.defer(note("first"));
    stack.adopt("second", note("second"));
    stack.use({ [Symbol.dispose]: note("third") });
    using _ = { [Symbol.dispose]: note("before the stack") };
  }
  {
    using _nothing = null;
    using _nothingEither = undefined;
  }
  try {
    using _ = { never: "given up" } as unknown as Disposable;
  } catch (error) {
    order.push((error as Error).name);
  }
  const moved = new DisposableStack();
  moved.defer(note("moved"));
  moved.move();
  moved.dispose();
  const failing = new DisposableStack();
  failing.defer(note("after a failure"));
  failing.defer(() => {
    throw new RangeError("on the way");
  });
  return [order, suppressed(), caught(() => failing.dispose()), caught(() => moved.defer(note("late"))), order.at(-1)];
}

/** All errors of a block that fails, and whose two resources do, in the order in which they are told. */
function suppressed(): string[] {
  const failing = (message: string) => () => {
    throw new Error(message);
  };
  try {
    using stack = new DisposableStack();
    stack.defer(failing("last"));
    stack.defer(failing("second"));
    throw new Error("first");
  } catch (error) {
    return messagesOf(error);
  }
}

function messagesOf(error: unknown): string[] {
  if ((error as Error).name !== "SuppressedError") return [(error as Error).message];
  const { error: later, suppressed: earlier } = error as { error: unknown; suppressed: unknown };
  return [...messagesOf(earlier), ...messagesOf(later)];
}

/** What an action returns, or the name of what it throws. */
export function caught(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return (error as Error).name;
  }
}
