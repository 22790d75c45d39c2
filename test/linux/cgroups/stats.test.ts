// What statistics are made of which files: cgroup v2, which this machine may not have, and what v1 has seldom.

import { describe, expect, it } from "vitest";
import { exactJson } from "../../../src/lifecycle/exact-json.ts";
import { blkioEntries, numbers, statsV1 } from "../../../src/linux/cgroups/stats-v1.ts";
import { pressure, statsV2 } from "../../../src/linux/cgroups/stats-v2.ts";

const FILES: Record<string, string> = {
  "cpu.stat":
    "usage_usec 9007199254740993\nuser_usec 7\nsystem_usec 5\nnr_periods 3\nnr_throttled 0\nthrottled_usec 11",
  "cpu.pressure":
    "some avg10=1.50 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.25 avg300=0.00 total=18446744073709551615",
  "memory.stat": "anon 4096\nfile 8192\nactive_anon 1",
  "memory.current": "12288",
  "memory.max": "max",
  "memory.peak": "20480",
  "memory.swap.current": "100",
  "memory.swap.max": "1000",
  "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=0 dbytes=9 dios=9\n7:1 \n0:0 rbytes=4",
  "hugetlb.2MB.current": "2097152",
  "hugetlb.2MB.events": "max 4",
};

describe("statistics of v2", () => {
  const stats = statsV2((file) => FILES[file]);

  it("are told as v1's, exactly", () => {
    expect(exactJson(stats.cpu)).toBe(
      '{"usage":{"total":9007199254740993000,"kernel":5000,"user":7000},' +
        '"throttling":{"periods":3,"throttledTime":11000},"psi":{"some":{"avg10":1.5,"avg60":0,"avg300":0,"total":12},' +
        '"full":{"avg10":0,"avg60":0.25,"avg300":0,"total":18446744073709551615}}}',
    );
    expect(exactJson(stats.memory)).toBe(
      '{"cache":8192,"usage":{"limit":18446744073709551615,"usage":12288,"max":20480,"failcnt":0},' +
        '"swap":{"limit":18446744073709551615,"usage":12388,"failcnt":0},"kernel":{"limit":0,"failcnt":0},' +
        '"kernelTCP":{"limit":0,"failcnt":0},"raw":{"active_anon":1,"anon":4096,"file":8192}}',
    );
    expect(stats.blkio).toEqual({
      ioServiceBytesRecursive: [
        { major: 8, op: "Read", value: 1 },
        { major: 8, op: "Write", value: 2 },
        { op: "Read", value: 4 },
      ],
      ioServicedRecursive: [
        { major: 8, op: "Read", value: 3 },
        { major: 8, op: "Write" },
      ],
    });
    expect(stats.hugetlb("2MB")).toEqual({ usage: 2097152, failcnt: 4 });
    expect(stats.hugetlb("1GB")).toBeUndefined();
  });

  it("of a cgroup without controllers are zeros", () => {
    const none = statsV2(() => undefined);
    expect(exactJson(none.cpu)).toBe('{"usage":{"kernel":0,"user":0},"throttling":{}}');
    expect(exactJson(none.blkio)).toBe("{}");
    expect(pressure(undefined)).toEqual({});
  });
});

describe("statistics of v1", () => {
  it("have the block devices of whoever keeps them", () => {
    const files: Record<string, string> = {
      "blkio.throttle.io_serviced": "8:0 Read 1\n8:0 Write 2\nTotal 3",
      "blkio.throttle.io_service_bytes": "8:0 Read 512\nTotal 512",
      "blkio.bfq.io_serviced_recursive": "",
    };
    expect(statsV1((file) => files[file]).blkio).toEqual({
      ioServiceBytesRecursive: [{ major: 8, op: "Read", value: 512 }],
      ioServicedRecursive: [
        { major: 8, op: "Read", value: 1 },
        { major: 8, op: "Write", value: 2 },
      ],
    });
    expect(blkioEntries("8:16 77\nTotal 77")).toEqual([{ major: 8, minor: 16, value: 77 }]);
  });

  it("have lists of processors", () => {
    expect(numbers("0-2,7,9-10")).toEqual([0, 1, 2, 7, 9, 10]);
    expect(numbers("")).toEqual([]);
  });
});
