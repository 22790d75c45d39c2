// The kernel's killing for want of memory: hearing of it, and what there is to say of it afterwards.
//
//   v1  an eventfd(2), registered with memory.oom_control in cgroup.event_control, is written to when it begins, and when
//       the cgroup is removed: cgroup-v1/memory.rst, "OOM Control"
//   v2  memory.events changes: its `oom_kill` counts the processes, those of cgroups below too

import { O_RDONLY, O_WRONLY } from "../abi/fcntl.ts";
import { close, fileCall, OpenFile, read, write } from "../files.ts";
import type { Polled } from "../poll.ts";
import { POLLIN } from "../poll.ts";
import type { Cgroup } from "./cgroup.ts";
import { type Count, count, keyed } from "./count.ts";
import { errnoOf } from "./error.ts";
import { WatchedFile } from "./watch.ts";

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

/** Something to poll for. */
export interface OomWatch extends Disposable {
  readonly polled: Polled;
  /** Whether processes were killed since the last look. */
  take(): boolean;
}

/** Watches a cgroup; undefined for one without a memory controller. @throws FileError */
export function watchOom(cgroup: Cgroup): OomWatch | undefined {
  const directory = cgroup.directory("memory");
  if (directory === undefined) return undefined;
  if (cgroup.mode !== "v2") return new EventOom(directory);
  return cgroup.read("memory.events") === undefined ? undefined : new CountedOom(directory);
}

class EventOom implements OomWatch {
  readonly #eventfd: number;
  readonly #cgroup: string;

  constructor(directory: string) {
    this.#cgroup = `${directory}/memory.oom_control`;
    this.#eventfd = fileCall("eventfd2", "eventfd", 0, EFD_CLOEXEC | EFD_NONBLOCK);
    try {
      using file = new OpenFile(this.#cgroup, O_RDONLY);
      using control = new OpenFile(`${directory}/cgroup.event_control`, O_WRONLY);
      write(control.fd, new TextEncoder().encode(`${this.#eventfd} ${file.fd}`));
    } catch (error) {
      close(this.#eventfd);
      throw error;
    }
  }

  get polled(): Polled {
    return { fd: this.#eventfd, events: POLLIN };
  }

  take(): boolean {
    try {
      read(this.#eventfd, new Uint8Array(8));
      using _ = new OpenFile(this.#cgroup, O_RDONLY); // it is written to when the cgroup goes, too
      return true;
    } catch (error) {
      errnoOf(error); // EAGAIN: nothing; ENOENT: gone
      return false;
    }
  }

  [Symbol.dispose](): void {
    close(this.#eventfd);
  }
}

class CountedOom implements OomWatch {
  readonly #events: WatchedFile;
  #seen: number;

  constructor(directory: string) {
    this.#events = new WatchedFile(`${directory}/memory.events`);
    this.#seen = this.#events.read("oom_kill");
  }

  get polled(): Polled {
    return this.#events.polled;
  }

  take(): boolean {
    try {
      const before = this.#seen;
      this.#seen = this.#events.read("oom_kill");
      return this.#seen > before;
    } catch (error) {
      errnoOf(error); // ENODEV: gone
      return false;
    }
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
  }
}

/** What a cgroup tells of a want of memory. */
export interface Oom {
  readonly kills: Count;
  readonly limit: string | undefined;
  /** The most that was ever used; kernels before 5.19 do not know on v2. */
  readonly peak: string | undefined;
}

/** In numbers; a limit beyond what these hold is none, and not there. */
export function oomNumbers({ kills, limit, peak }: Oom): { kills: number; limit?: number; peak?: number } {
  const number = (text: string | undefined): number | undefined =>
    text !== undefined && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
  const [most, used] = [number(limit), number(peak)];
  return {
    kills: Number(kills),
    ...(most !== undefined && { limit: most }),
    ...(used !== undefined && { peak: used }),
  };
}

/** Whether processes of a cgroup were killed for want of memory; undefined when none was, or nobody knows. */
export function oomOf(cgroup: Cgroup): Oom | undefined {
  const v2 = cgroup.mode === "v2";
  const kills = keyed(cgroup.read(v2 ? "memory.events" : "memory.oom_control")).get("oom_kill") ?? 0;
  if (kills === 0) return undefined;
  const [limit, peak] = v2 ? ["memory.max", "memory.peak"] : ["memory.limit_in_bytes", "memory.max_usage_in_bytes"];
  return { kills: count(String(kills)), limit: cgroup.read(limit), peak: cgroup.read(peak) };
}
