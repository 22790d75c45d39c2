// Changing the limits of a cgroup that is in use: all of a change or nothing. The kernel may refuse one value after it has
// taken others (memory below what is charged: EBUSY), so the files that are to be written are read before, and what they
// held is written back. What a change leaves open stays, but on v2 two settings share a file or depend on each other: there
// the other one is what the kernel has now.

import type { CpuLimits, LinuxResources, MemoryLimits } from "../../spec/config.gen.ts";
import type { Cgroup } from "./cgroup.ts";
import { count, exact } from "./count.ts";
import { CgroupError } from "./error.ts";
import { isUnlimited } from "./memory.ts";
import { planResources } from "./resources.ts";
import type { Write } from "./setting.ts";
import { Manager } from "./systemd/manager.ts";
import { changedProperties } from "./systemd/resource-properties.ts";
import type { Unit } from "./systemd/unit.ts";
import { readFile, writeFile } from "./write.ts";

/**
 * Puts a change of the limits in force. Devices are never changed.
 * @throws ConfigError for a setting that cannot be made, with nothing changed
 * @throws CgroupError for what the kernel refuses; the limits are again what they were, or it says which are not
 */
export function updateResources(cgroup: Cgroup, change: LinuxResources): void {
  const { version } = cgroup;
  const resources = version === "v2" ? completed(change, (file) => cgroup.read(file)) : change;
  const plan = planResources(resources, version);
  const before = plan.flatMap((write) => snapshots(cgroup, write));
  try {
    cgroup.apply(resources);
    if (cgroup.unit !== undefined) changeUnit(cgroup.unit, cgroup, plan);
  } catch (error) {
    const lost = restore(before);
    if (lost.length === 0) throw error;
    throw new CgroupError(`${(error as Error).message}; and could not be set back: ${lost.join(", ")}`);
  }
}

/** Last, since systemd takes all of it or nothing; what it then writes to the files may be less exact. */
function changeUnit(unit: Unit, cgroup: Cgroup, plan: readonly Write[]): void {
  const properties = changedProperties(plan, cgroup.version, (file) => cgroup.read(file));
  if (properties.length === 0) return;
  using manager = new Manager(unit.bus);
  manager.set(unit, properties);
  cgroup.write(plan);
}

/** The value of a file of the cgroup. */
type Current = (file: string) => string | undefined;

/** A change with what of v2's files it leaves open. */
export function completed(change: LinuxResources, current: Current): LinuxResources {
  const { cpu, memory } = change;
  return {
    ...change,
    ...(cpu !== undefined && { cpu: { ...cpu, ...otherOfCpuMax(cpu, current) } }),
    ...(memory !== undefined && { memory: { ...memory, ...otherOfMemory(memory, current) } }),
  };
}

/** `cpu.max` is quota and period. */
function otherOfCpuMax({ quota, period }: CpuLimits, current: Current): CpuLimits {
  if (isSet(quota) === isSet(period)) return {};
  const [oldQuota = "max", oldPeriod] = (current("cpu.max") ?? "").split(" ");
  if (isSet(quota)) return oldPeriod === undefined ? {} : { period: Number(oldPeriod) };
  return oldQuota === "max" || oldQuota === "" ? {} : { quota: Number(oldQuota) };
}

/** `memory.swap.max` is the config's `swap` without its `limit`: of the two the one that is not changed is kept. */
function otherOfMemory({ limit, swap }: MemoryLimits, current: Current): MemoryLimits {
  if (isSet(limit) === isSet(swap) || isUnlimited(limit) || isUnlimited(swap)) return {};
  const memory = current("memory.max");
  if (!isSet(limit)) return { limit: memory === undefined || memory === "max" ? -1 : count(memory) };
  const swapMax = current("memory.swap.max");
  if (swapMax === undefined || swapMax === "max") return {};
  const both = BigInt(swapMax) + (memory === undefined || memory === "max" ? 0n : BigInt(memory));
  return { swap: exact(both) };
}

type Int = number | bigint;

function isSet(value: Int | undefined): boolean {
  return value !== undefined && Number(value) !== 0;
}

/** What a file held before a write to it. */
interface Before {
  readonly path: string;
  /** Undefined for a file that is not there or cannot be read. */
  readonly text: string | undefined;
  /** What undoes the write, line by line. */
  readonly lines: readonly string[];
}

function snapshots(cgroup: Cgroup, write: Write): Before[] {
  const directory = cgroup.directory(write.controller);
  const path = `${directory}/${write.file}`;
  const text = directory === undefined ? undefined : readFile(path);
  const own = { path, text, lines: text === undefined ? [] : undoing(write, text) };
  return write.otherwise === undefined ? [own] : [own, ...snapshots(cgroup, write.otherwise)];
}

/** The last write is undone first. What one of two dependent values keeps from being set is set in a second round. */
function restore(before: readonly Before[]): string[] {
  const changed = before.filter(({ path, text }) => text !== undefined && readFile(path) !== text).reverse();
  return changed
    .filter((file) => !write(file))
    .filter((file) => !write(file))
    .map(({ path }) => path);
}

function write({ path, lines }: Before): boolean {
  return lines.map((line) => writeFile(path, line)).every((code) => code === undefined);
}

/** How a line for a device is taken back that was not there before, by file. */
const NO_LIMIT: readonly (readonly [file: RegExp, value: string])[] = [
  [/^blkio\.throttle\./, "0"],
  [/^(blkio|io)\..*weight/, "default"],
  [/^io\.max$/, "rbps=max wbps=max riops=max wiops=max"],
  [/^rdma\.max$/, "hca_handle=max hca_object=max"],
];

/** The lines to write for `file` to hold `text` again after `value` was written to it. */
export function undoing({ file, value }: Pick<Write, "file" | "value">, text: string): string[] {
  // It is read as statistics, of which the first line is the setting.
  if (file === "memory.oom_control") return [/^oom_kill_disable (\d)/.exec(text)?.[1] ?? "0"];
  const lines = text.split("\n");
  const key = value.split(" ")[0] ?? "";
  const fresh = value.includes(" ") && !lines.some((line) => line.startsWith(`${key} `));
  const reset = fresh ? NO_LIMIT.find(([pattern]) => pattern.test(file)) : undefined;
  const old = text === "" && reset !== undefined ? [] : text === "" ? ["\n"] : lines;
  return reset === undefined ? old : [...old, `${key} ${reset[1]}`];
}
