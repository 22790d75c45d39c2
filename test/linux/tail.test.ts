// The end of what comes out of a descriptor.

import { closeSync, openSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { close, write } from "../../src/linux/agent/descriptors.ts";
import { pipe, stopBlocking } from "../../src/linux/pipe.ts";
import { Tail } from "../../src/linux/tail.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A pipe whose reading end does not block. */
function conduit(): { tail: Tail; say: (text: string) => void; end: () => void } {
  const [from, to] = pipe();
  onTestFinished(() => closeSync(from));
  stopBlocking(from);
  return { tail: new Tail(from), say: (text) => void write(to, bytes(text)), end: () => close(to) };
}

describe("a tail", () => {
  test("is all that was said, as long as that is short", () => {
    const { tail, say, end } = conduit();
    say("one ");
    expect(tail.read()).toBe(true);
    expect(tail.read(), "nothing there").toBe(false);
    say("two");
    end();
    tail.readAll();
    expect(tail.text()).toBe("one two");
    expect(tail.fd, "at its end").toBe(-1);
  });

  test("is the last 16 KiB, and says that there was more", () => {
    const { tail, say, end } = conduit();
    say("x".repeat(16 * 1024));
    tail.readAll();
    expect(tail.text()).toHaveLength(16 * 1024);
    say("end");
    end();
    tail.readAll();
    expect(tail.text()).toBe(`[…]${"x".repeat(16 * 1024 - 3)}end`);
  });

  test("comes to its end though what it is read from does not", () => {
    const endless = openSync("/dev/zero", "r");
    onTestFinished(() => closeSync(endless));
    const tail = new Tail(endless);
    tail.readAll();
    expect(tail.text()).toMatch(/^\[…\]\0+$/);
  });
});
