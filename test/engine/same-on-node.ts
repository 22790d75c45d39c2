// What must come out the same on Node and in a program of our engine: run in both, by engine.test.ts and by checks.ts.

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
