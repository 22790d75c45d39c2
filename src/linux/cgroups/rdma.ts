// linux.resources.rdma: "config-linux.md#rdma". cgroup-v1/rdma.rst; cgroup-v2.rst, "RDMA". The same file on both. What a
// line does not name stays as it is: no limit, in a new cgroup.

import type { RdmaLimit } from "../../spec/config.gen.ts";
import { type Int, setting, type Write } from "./setting.ts";

export function rdma(limits: { readonly [device: string]: RdmaLimit }): Write[] {
  return Object.entries(limits).flatMap(([device, { hcaHandles, hcaObjects }]) =>
    setting(
      `rdma[${JSON.stringify(device)}]`,
      "rdma.max",
      `${device}${word("hca_handle", hcaHandles)}${word("hca_object", hcaObjects)}`,
    ),
  );
}

function word(name: string, value: Int | undefined): string {
  return value === undefined ? "" : ` ${name}=${value}`;
}
