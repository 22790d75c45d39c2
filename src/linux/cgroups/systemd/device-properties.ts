// A device filter as properties of a unit: systemd.resource-control(5), DeviceAllow= and DevicePolicy=. A unit can be given an
// allowlist only, and no entry for one minor number of all majors. What it cannot say is left to tsrun's own filter alone:
// both are in force, so systemd's may never be the narrower one.

import type { DeviceException, DeviceFilter } from "../device-rules.ts";
import type { Property } from "./variant.ts";

/** The list is emptied before the policy is set: the other way round a unit that is there has neither for a moment. */
export function deviceProperties({ allowByDefault, exceptions }: DeviceFilter): Property[] {
  const entries = exceptions.map(entryOf);
  const known = entries.filter((entry) => entry !== undefined);
  if (allowByDefault || known.length < entries.length) return [policy("auto")];
  return [allow([]), policy("strict"), allow(known)];
}

function policy(value: "auto" | "strict"): Property {
  return { name: "DevicePolicy", signature: "s", value };
}

type Entry = readonly [device: string, access: string];

function allow(value: readonly Entry[]): Property {
  return { name: "DeviceAllow", signature: "a(ss)", value };
}

function entryOf({ type, major, minor, access }: DeviceException): Entry | undefined {
  const kind = type === "c" ? "char" : "block";
  if (major === "*") return minor === "*" ? [`${kind}-*`, access] : undefined;
  return [minor === "*" ? `${kind}-${major}` : `/dev/${kind}/${major}:${minor}`, access];
}
