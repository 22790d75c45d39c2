// Bytes from one descriptor to another, over pipes that are full, closed, or do not block.

import { closeSync, readSync, writeSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { Channel } from "../../src/lifecycle/channel.ts";
import { pipe, stopBlocking } from "../../src/linux/pipe.ts";
import { POLLIN, POLLOUT, poll } from "../../src/linux/poll.ts";

const open = new Set<number>();

function newPipe(): readonly [number, number] {
  const ends = pipe();
  for (const end of ends) open.add(end);
  return ends;
}

function shut(fd: number): void {
  open.delete(fd);
  closeSync(fd);
}

afterEach(() => {
  for (const fd of [...open]) shut(fd);
});

/** Moves what there is, until nothing can be moved now. */
function moveAll(channel: Channel): void {
  while (!channel.ended && poll([channel.wanted()], 0)[0]) channel.move();
}

function readAll(fd: number): string {
  const buffer = Buffer.alloc(1 << 17);
  return buffer.toString("latin1", 0, readSync(fd, buffer));
}

describe("A channel", () => {
  it("moves bytes, and ends when its source does", () => {
    const [from, source] = newPipe();
    const [target, to] = newPipe();
    const channel = new Channel(from, to);
    writeSync(source, "hello");
    moveAll(channel);
    expect(readAll(target)).toBe("hello");
    expect(channel.ended).toBe(false);
    shut(source);
    moveAll(channel);
    expect(channel.ended).toBe(true);
    expect(channel.wanted().fd).toBe(-1);
  });

  it("writes the last bytes that it is given after those of the source, and knows how those ended", () => {
    const [from, source] = newPipe();
    const [target, to] = newPipe();
    const finals: (number | undefined)[] = [];
    const channel = new Channel(from, to, (final) => {
      finals.push(final);
      return Buffer.from("END");
    });
    writeSync(source, "abc");
    shut(source);
    moveAll(channel);
    expect(readAll(target)).toBe("abcEND");
    expect(finals).toEqual(["c".charCodeAt(0)]);
  });

  for (const blocking of [true, false]) {
    it(`waits for room in a target that ${blocking ? "blocks" : "does not block"}, and loses nothing`, () => {
      const [from, source] = newPipe();
      const [target, to] = newPipe();
      if (!blocking) stopBlocking(to);
      stopBlocking(source);
      const channel = new Channel(from, to);
      let sent = "";
      let received = "";
      for (let round = 0; round < 60; round++) {
        const chunk = String.fromCharCode(97 + (round % 26)).repeat(5000);
        if (poll([{ fd: source, events: POLLOUT }], 0)[0]) sent += chunk.slice(0, writeSync(source, chunk));
        moveAll(channel); // must come back, however full the target is
        if (round % 20 === 19) received += readAll(target);
      }
      shut(source);
      while (!channel.ended) {
        moveAll(channel);
        if (poll([{ fd: target, events: POLLIN }], 0)[0]) received += readAll(target);
      }
      if (poll([{ fd: target, events: POLLIN }], 0)[0]) received += readAll(target);
      expect(received.length).toBe(sent.length);
      expect(received).toBe(sent);
      expect(sent.length).toBeGreaterThan(65_536);
    });
  }

  it("keeps what a target refuses that only seemed to have room", () => {
    const [from, source] = newPipe();
    const [target, to] = newPipe();
    stopBlocking(to);
    writeSync(to, "x".repeat(65_536));
    writeSync(source, "hello");
    const channel = new Channel(from, to);
    channel.move();
    channel.move();
    expect(channel.pending).toBe(true);
    expect(readAll(target)).toBe("x".repeat(65_536));
    channel.move();
    expect(readAll(target)).toBe("hello");
  });

  it("ends when nobody reads its target", () => {
    const [from, source] = newPipe();
    const [target, to] = newPipe();
    shut(target);
    const channel = new Channel(from, to);
    writeSync(source, "hello");
    moveAll(channel);
    expect(channel.ended).toBe(true);
    expect(channel.pending).toBe(false);
  });
});
