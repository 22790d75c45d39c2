import fc from "fast-check";
import { expect, it } from "vitest";
import { type Attribute, attributes, message, messages } from "../../src/linux/abi/rtnetlink.ts";
import { fromTemplate } from "../../src/linux/net-devices.ts";

const bytes = fc.uint8Array({ maxLength: 40 });

it("a message comes out as it went in, behind others and before them", () => {
  const one = fc.record({
    type: fc.nat(0xffff),
    sequence: fc.nat(),
    body: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    values: fc.uniqueArray(fc.tuple(fc.nat(0x3fff), bytes), { selector: ([type]) => type }),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 4 }), (list) => {
      const whole = Buffer.concat(
        list.map(({ type, sequence, body, values }) => message(type, 5, sequence, body, values as Attribute[])),
      );
      const read = messages(new Uint8Array(whole));
      expect(read.map(({ type, sequence }) => ({ type, sequence }))).toEqual(
        list.map(({ type, sequence }) => ({ type, sequence })),
      );
      expect(read.map(({ data }) => new Map(attributes(data, 8)))).toEqual(list.map(({ values }) => new Map(values)));
    }),
  );
});

it("is, byte by byte", () => {
  const text = new TextEncoder().encode("eth0\0");
  expect(Buffer.from(message(18, 5, 7, Uint8Array.of(1, 2, 3, 4), [[3, text]])).toString("hex")).toBe(
    ["20000000", "1200", "0500", "07000000", "00000000", "01020304", "0900", "0300", "6574683000", "000000"].join(""),
  );
});

it("bytes that are no message end it, whatever they are", () => {
  fc.assert(
    fc.property(bytes, (any) => {
      for (const { data } of messages(any)) attributes(data, 8);
    }),
  );
});

it("a template takes the least number that is free", () => {
  expect(fromTemplate("eth%d", () => false)).toBe("eth0");
  expect(fromTemplate("eth%d", (name) => name !== "eth1")).toBe("eth1");
  expect(fromTemplate("n%dx", (name) => ["n0x", "n1x"].includes(name))).toBe("n2x");
});
