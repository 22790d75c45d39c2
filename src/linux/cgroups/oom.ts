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
import { keyed } from "./count.ts";
import { errnoOf } from "./error.ts";
import { WatchedFile } from "./watch.ts";

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

/** Something to poll for. */
export interface OomWatch extends Disposable {
  readonly polled: Polled;
  /** How many processes were killed since the last look; on v1 it is only known that some were, and that is 1. */
  take(): number;
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

  take(): number {
    try {
      read(this.#eventfd, new Uint8Array(8));
      using _ = new OpenFile(this.#cgroup, O_RDONLY); // it is written to when the cgroup goes, too
      return 1;
    } catch (error) {
      errnoOf(error); // EAGAIN: nothing; ENOENT: gone
      return 0;
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

  take(): number {
    try {
      const before = this.#seen;
      this.#seen = this.#events.read("oom_kill");
      return this.#seen - before;
    } catch (error) {
      errnoOf(error); // ENODEV: gone
      return 0;
    }
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
  }
}

/** What a cgroup tells of a want of memory. */
export interface Oom {
  readonly kills: number;
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
    kills,
    ...(most !== undefined && { limit: most }),
    ...(used !== undefined && { peak: used }),
  };
}

/** Whether processes of a cgroup were killed for want of memory; undefined when none was, or nobody knows. */
export function oomOf(cgroup: Cgroup): Oom | undefined {
  const kills = killsOf(cgroup) ?? 0;
  return kills === 0 ? undefined : withNumbers(cgroup, kills, UNKNOWN);
}

/**
 * What there is to say by now of a cgroup that may be going away: its own answers, and where it has none any more the last ones,
 * with what an OomWatch took since.
 */
export function oomSince(cgroup: Cgroup, last: Oom = UNKNOWN, taken = 0): Oom {
  return withNumbers(cgroup, killsOf(cgroup) ?? last.kills + taken, last);
}

const UNKNOWN: Oom = { kills: 0, limit: undefined, peak: undefined };

/** How many processes the kernel has killed, of cgroups below too; undefined where the cgroup is gone, or cannot tell. */
function killsOf(cgroup: Cgroup): number | undefined {
  const kills = keyed(cgroup.read(cgroup.mode === "v2" ? "memory.events" : "memory.oom_control")).get("oom_kill");
  return kills === undefined ? undefined : Number(kills);
}

function withNumbers(cgroup: Cgroup, kills: number, last: Oom): Oom {
  const files =
    cgroup.mode === "v2" ? ["memory.max", "memory.peak"] : ["memory.limit_in_bytes", "memory.max_usage_in_bytes"];
  const [limit, peak] = files.map((file) => cgroup.read(file));
  return { kills, limit: limit ?? last.limit, peak: peak ?? last.peak };
}
