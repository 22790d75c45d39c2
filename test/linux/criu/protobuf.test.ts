import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { REQUEST, REQUEST_SCHEMA } from "../../../src/linux/criu/messages.ts";
import { decode, encode, type Schema } from "../../../src/linux/criu/protobuf.ts";

const SCHEMA: Schema = {
  number: 1,
  text: 2,
  list: { number: 3, many: "strings" },
  pairs: { number: 200, many: { key: 1, fd: 2 } },
  inner: { number: 15, one: { pid: 1 } },
};
const ascii = (text: string) => new TextEncoder().encode(text);
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 });

describe("messages of protobuf", () => {
  test("are what they are anywhere", () => {
    expect([...encode({ number: 150, text: "hi" }, SCHEMA)]).toEqual([0x08, 0x96, 0x01, 0x12, 2, 0x68, 0x69]);
    expect([...encode({ number: true, inner: { pid: 1 } }, SCHEMA)]).toEqual([0x08, 1, 0x7a, 2, 0x08, 1]);
    expect([...encode({ number: -1 }, SCHEMA)]).toEqual([0x08, ...new Array<number>(9).fill(0xff), 1]);
    expect([...encode({ pairs: [{ key: "a", fd: 0 }] }, SCHEMA)]).toEqual([0xc2, 0x0c, 5, 0x0a, 1, 0x61, 0x10, 0]);
  });

  test("are as CRIU's rpc.proto has a request", () => {
    const opts = { images_dir_fd: 3, cg_root: [{ ctrl: "", path: "/c" }], lsm_mount_context: "u:r:t" };
    expect([...encode({ type: REQUEST.restore, opts }, REQUEST_SCHEMA)]).toEqual([
      ...[0x08, 2, 0x12, 19], // 1: CRIU_REQ_TYPE, RESTORE; 2: criu_opts, so long
      ...[0x08, 3], // 1: images_dir_fd
      ...[0xca, 0x01, 6, 0x0a, 0, 0x12, 2, ...ascii("/c")], // 25: cg_root, 1: ctrl, 2: path
      ...[0xfa, 0x03, 5, ...ascii("u:r:t")], // 63: lsm_mount_context
    ]);
  });

  test("come back as they went", () => {
    const message = fc.record(
      {
        number: int32,
        text: fc.string({ unit: "grapheme" }),
        list: fc.array(fc.string(), { minLength: 1 }),
        pairs: fc.array(fc.record({ key: fc.string(), fd: int32 }), { minLength: 1 }),
        inner: fc.record({ pid: int32 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(fc.property(message, (value) => void expect(decode(encode(value, SCHEMA), SCHEMA)).toEqual(value)));
  });

  test("what the schema does not have is passed over, or refused", () => {
    const bytes = encode({ number: 7, text: "x" }, SCHEMA);
    const fixed = Uint8Array.of(0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4);
    expect(decode(Uint8Array.of(...fixed, ...bytes), { text: 2 })).toEqual({ text: "x" });
    expect(() => encode({ other: 1 }, SCHEMA)).toThrow("no field other");
  });

  test("one that is cut short, or no message, is an error", () => {
    const bytes = encode({ inner: { pid: 5 }, text: "text" }, SCHEMA);
    expect(() => decode(bytes.subarray(0, -1), SCHEMA)).toThrow("cut short");
    expect(() => decode(Uint8Array.of(0x08, 0x80), SCHEMA)).toThrow("cut short");
    expect(() => decode(Uint8Array.of(0x0b), SCHEMA)).toThrow("type 3");
    expect(() => decode(new Uint8Array(12).fill(0xff), SCHEMA)).toThrow("64 bits");
    expect(() => decode(Uint8Array.of(0x78, 1), SCHEMA)).toThrow("inner is a number");
  });
});
