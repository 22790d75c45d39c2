// What resctrl does, as far as a runtime meets it, on a machine that has none: Documentation/filesystems/resctrl.rst, and the
// answers of fs/resctrl/rdtgroup.c and ctrlmondata.c. Two caches of 11 ways, two memory controllers in steps of 10 %, four
// classes. Children of a process do not inherit its class: of that this one hears nothing.

import { existsSync } from "node:fs";

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EEXIST = 17;
export const EINVAL = 22;
export const ENOSPC = 28;

/** What a call answers that fails. */
export class Refusal extends Error {
  readonly errno: number;
  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

export interface File {
  read(): string;
  /** Not there for what is read alone. */
  write?: (text: string) => void;
}

/** A directory of it, with what may be made and removed in it. */
export interface Directory {
  readonly entries: Map<string, File | Directory>;
  mkdir?: (name: string) => void;
  rmdir?: (name: string) => void;
}

type Values = Record<string, number[]>;

interface Group {
  readonly values: Values;
  readonly directory: Directory;
}

const DOMAINS = 2;
const CLASSES = 4;
const FULL = 0x7ff;

export class Resctrl {
  readonly root: Directory;
  #status = "ok";
  /** By pid: its class, and what it is counted in. */
  readonly #tasks = new Map<number, { group: Group; monitor: Directory | undefined }>();
  readonly #root: Group;

  constructor() {
    this.#root = this.#group();
    this.root = this.#root.directory;
    const { entries } = this.root;
    entries.set("info", {
      entries: new Map<string, File | Directory>([
        ["last_cmd_status", { read: () => `${this.#status}\n` }],
        ["L3", constants({ cbm_mask: "7ff", min_cbm_bits: "1", num_closids: String(CLASSES) })],
        ["MB", constants({ bandwidth_gran: "10", delay_linear: "1", min_bandwidth: "10", num_closids: "8" })],
        ["L3_MON", constants({ mon_features: "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes", num_rmids: "8" })],
      ]),
    });
    this.root.mkdir = (name) => this.#command(() => this.#makeClass(name));
    this.root.rmdir = (name) => this.#command(() => this.#removeClass(name));
  }

  #makeClass(name: string): void {
    const { entries } = this.root;
    if (entries.has(name)) throw new Refusal(EEXIST);
    const classes = [...entries.values()].filter((entry) => "entries" in entry && entry.mkdir !== undefined);
    // Beside the root class, as "mon_groups" of the root is such a directory too.
    if (classes.length >= CLASSES) this.#refuse(ENOSPC, "Out of CLOSIDs");
    entries.set(name, this.#group().directory);
  }

  #removeClass(name: string): void {
    const directory = this.root.entries.get(name);
    if (directory === undefined) throw new Refusal(ENOENT);
    if (!("entries" in directory) || !directory.entries.has("tasks")) throw new Refusal(EPERM);
    this.root.entries.delete(name);
    for (const [pid, { group }] of this.#tasks) if (group.directory === directory) this.#tasks.delete(pid);
  }

  #group(): Group {
    const entries = new Map<string, File | Directory>();
    const group: Group = { values: { MB: full(100), L3: full(FULL) }, directory: { entries } };
    const monitors = new Map<string, File | Directory>();
    entries.set("tasks", this.#tasksFile(group, undefined));
    entries.set("cpus", { read: () => "0\n" });
    entries.set("mode", { read: () => "shareable\n" });
    entries.set("schemata", {
      read: () => show(group.values),
      write: (text) => this.#command(() => this.#configure(group.values, text)),
    });
    entries.set("mon_data", counts());
    entries.set("mon_groups", {
      entries: monitors,
      mkdir: (name) => this.#command(() => this.#makeMonitor(group, monitors, name)),
      rmdir: (name) => this.#command(() => void monitors.delete(name)),
    });
    // Only so that #makeClass can tell a class from what else is a directory.
    group.directory.mkdir = () => {
      throw new Refusal(EPERM);
    };
    return group;
  }

  #makeMonitor(group: Group, monitors: Map<string, File | Directory>, name: string): void {
    if (monitors.has(name)) throw new Refusal(EEXIST);
    const directory: Directory = { entries: new Map<string, File | Directory>() };
    directory.entries.set("tasks", this.#tasksFile(group, directory));
    directory.entries.set("mon_data", counts());
    monitors.set(name, directory);
  }

  #tasksFile(group: Group, monitor: Directory | undefined): File {
    return {
      read: () => {
        const here = [...this.#tasks].filter(
          ([pid, task]) =>
            task.group === group && (monitor ?? task.monitor) === task.monitor && existsSync(`/proc/${pid}`),
        );
        return here.map(([pid]) => `${pid}\n`).join("");
      },
      write: (text) => this.#command(() => this.#move(Number(text.trim()), group, monitor)),
    };
  }

  #move(pid: number, group: Group, monitor: Directory | undefined): void {
    if (!Number.isInteger(pid)) this.#refuse(EINVAL, "Task list parsing error pid");
    if (!existsSync(`/proc/${pid}`)) this.#refuse(ESRCH, `No task ${pid}`);
    if (monitor !== undefined && (this.#tasks.get(pid)?.group ?? this.#root) !== group)
      this.#refuse(EINVAL, "Can't move task to different control group");
    this.#tasks.set(pid, { group, monitor });
  }

  /** All lines are looked at before the first is heeded. */
  #configure(values: Values, text: string): void {
    if (!text.endsWith("\n")) throw new Refusal(EINVAL);
    const next = structuredClone(values);
    const named = new Set<string>();
    for (const line of text.slice(0, -1).split("\n")) {
      const [resource = "", domains = ""] = line.split(":");
      const of = next[resource.trim()];
      if (of === undefined) this.#refuse(EINVAL, `Unknown or unsupported resource name '${resource.trim()}'`);
      for (const domain of domains.split(";")) {
        const [id = "", value = ""] = domain.split("=");
        if (!/^\s*\d+$/.test(id) || value === "") this.#refuse(EINVAL, "Missing '=' or non-numeric domain");
        if (Number(id) >= DOMAINS) throw new Refusal(EINVAL);
        if (named.has(`${resource}${id}`)) this.#refuse(EINVAL, `Duplicate domain ${id}`);
        named.add(`${resource}${id}`);
        of[Number(id)] = resource === "L3" ? this.#mask(value) : this.#percent(value);
      }
    }
    Object.assign(values, next);
  }

  #mask(text: string): number {
    const mask = Number.parseInt(text, 16);
    if (!/^[0-9a-f]+$/i.test(text)) this.#refuse(EINVAL, `Non-hex character in the mask ${text}`);
    if (mask === 0 || mask > FULL) this.#refuse(EINVAL, "Mask out of range");
    if (/10+1/.test(mask.toString(2))) this.#refuse(EINVAL, `The mask ${text} has non-consecutive 1-bits`);
    return mask;
  }

  #percent(text: string): number {
    if (!/^\d+$/.test(text)) this.#refuse(EINVAL, `Invalid MB value ${text}`);
    const value = Number(text);
    if (value < 10 || value > 100) this.#refuse(EINVAL, `MB value ${value} out of range [10,100]`);
    return Math.ceil(value / 10) * 10;
  }

  #command(action: () => void): void {
    this.#status = "ok";
    action();
  }

  #refuse(errno: number, status: string): never {
    this.#status = status;
    throw new Refusal(errno);
  }
}

function full(value: number): number[] {
  return Array.from({ length: DOMAINS }, () => value);
}

/** Padded, as the kernel does. */
function show({ MB = [], L3 = [] }: Values): string {
  const mb = MB.map((value, id) => `${id}=${String(value).padStart(3)}`).join(";");
  return `    MB:${mb}\n    L3:${L3.map((value, id) => `${id}=${value.toString(16).padStart(3, "0")}`).join(";")}\n`;
}

function constants(values: Record<string, string>): Directory {
  return { entries: new Map(Object.entries(values).map(([name, text]) => [name, { read: () => `${text}\n` }])) };
}

function counts(): Directory {
  const of = (n: number): Directory =>
    constants({ llc_occupancy: `${n}00`, mbm_total_bytes: `${n}000`, mbm_local_bytes: n === 1 ? "1" : "Unavailable" });
  return {
    entries: new Map([
      ["mon_L3_00", of(1)],
      ["mon_L3_01", of(2)],
    ]),
  };
}
