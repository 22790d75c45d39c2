// linux.resources.blockIO: "config-linux.md#block-io". v1: cgroup-v1/blkio-controller.rst; v2: cgroup-v2.rst, "IO"; the
// bfq files of both: block/bfq-iosched.rst.
//
// Weights are BFQ's where the kernel has that scheduler; its range, 1 to 1000, is the config's. Else they are blk-cgroup's
// own (v1 "blkio.weight" of old, v2 "io.weight"). A leaf weight is a v1 file that kernels no longer have (an error, as in
// runc); v2 has no counterpart (ignored by runc). The weight for one device is ignored by runc on a v2 kernel without BFQ.
// Here it goes into io.weight, which takes it for devices with a cost model only: what is refused is ignored then.

import type { BlockIo, ThrottleDevice } from "../../spec/config.gen.ts";
import { setting, unlessZero, type Write } from "./setting.ts";

/** One line for one device is one write, in this order. */
const THROTTLES = [
  { field: "throttleReadBpsDevice", v1: "blkio.throttle.read_bps_device", v2: "rbps" },
  { field: "throttleWriteBpsDevice", v1: "blkio.throttle.write_bps_device", v2: "wbps" },
  { field: "throttleReadIOPSDevice", v1: "blkio.throttle.read_iops_device", v2: "riops" },
  { field: "throttleWriteIOPSDevice", v1: "blkio.throttle.write_iops_device", v2: "wiops" },
] as const;

export function blockIoV1(io: BlockIo): Write[] {
  return [
    ...weightV1("blockIO.weight", "weight", unlessZero(io.weight)),
    ...setting("blockIO.leafWeight", "blkio.leaf_weight", unlessZero(io.leafWeight)),
    ...each(io.weightDevice, "weightDevice", ({ weight, leafWeight, ...device }, field) => [
      ...weightV1(field, "weight_device", line(device, unlessZero(weight))),
      ...setting(field, "blkio.leaf_weight_device", line(device, unlessZero(leafWeight))),
    ]),
    ...THROTTLES.flatMap(({ field: name, v1 }) =>
      each(io[name], name, (device, field) => setting(field, v1, line(device, device.rate))),
    ),
  ];
}

function weightV1(field: string, name: string, value: number | bigint | string | undefined): Write[] {
  const [otherwise] = setting(field, `blkio.${name}`, value);
  return setting(field, `blkio.bfq.${name}`, value, { otherwise });
}

export function blockIoV2(io: BlockIo): Write[] {
  return [
    ...weightV2("blockIO.weight", io.weight, String),
    ...each(io.weightDevice, "weightDevice", (device, field) =>
      weightV2(field, device.weight, (weight) => `${numbers(device)} ${weight}`, { ignore: ["ENOENT", "EOPNOTSUPP"] }),
    ),
    ...THROTTLES.flatMap(({ field: name, v2 }) =>
      each(io[name], name, (device, field) => setting(field, "io.max", line(device, `${v2}=${rate(device)}`))),
    ),
  ];
}

function weightV2(
  field: string,
  weight: number | undefined,
  text: (weight: number) => string,
  more: Pick<Write, "ignore"> = {},
): Write[] {
  if (!weight) return [];
  const [otherwise] = setting(field, "io.weight", text(ioWeight(weight)), more);
  return setting(field, "io.bfq.weight", text(weight), { otherwise });
}

/** `io.weight` (1-10000) for a weight of the config (10-1000, though BFQ takes less): linear, as all runtimes convert it. */
export function ioWeight(weight: number): number {
  return Math.max(1, 1 + Math.trunc(((weight - 10) * 9999) / 990));
}

/** v1 takes 0 for no limit, which v2 calls max and refuses as 0. */
function rate({ rate }: ThrottleDevice): string {
  return String(unlessZero(rate) ?? "max");
}

interface DeviceNumbers {
  readonly major: number | bigint;
  readonly minor: number | bigint;
}

function numbers({ major, minor }: DeviceNumbers): string {
  return `${major}:${minor}`;
}

function line(device: DeviceNumbers, value: number | bigint | string | undefined): string | undefined {
  return value === undefined ? undefined : `${numbers(device)} ${value}`;
}

function each<Item>(
  list: readonly Item[] | undefined,
  name: string,
  plan: (item: Item, field: string) => Write[],
): Write[] {
  return (list ?? []).flatMap((item, index) => plan(item, `blockIO.${name}[${index}]`));
}
