// What is asked of systemd: to start, change and stop units, and to take processes into them. org.freedesktop.systemd1(5).
// Starting and stopping are jobs, which systemd does when it comes to them, and whose ends it tells.

import { CgroupError } from "../error.ts";
import { Bus } from "./bus.ts";
import { BusError } from "./libsystemd.ts";
import { propertyList } from "./message.ts";
import type { SystemdBus, Unit } from "./unit.ts";
import type { Property, Variant } from "./variant.ts";

/** How long a job may take, in seconds. */
const PATIENCE = 30;

const UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit";

/** A job takes the place of one for the same unit that waits. */
const REPLACE = "replace";

/** Takes a process into a unit's cgroup, or one below it ("/init"), by a connection of its own. @throws CgroupError */
export function attachTo(unit: Unit, below: string, pid: number): void {
  using manager = new Manager(unit.bus);
  manager.attach(unit, below, pid);
}

/** Stops a unit, by a connection of its own. @throws CgroupError */
export function stopUnit(unit: Unit): void {
  using manager = new Manager(unit.bus);
  manager.stop(unit);
}

/** A connection to one of the systemds. Disposing of it closes it. */
export class Manager implements Disposable {
  readonly #bus: Bus;

  /** @throws CgroupError when it cannot be reached, ConfigError without libsystemd */
  constructor(which: SystemdBus) {
    this.#bus = told(`systemd (${which})`, () => Bus.connect(which));
  }

  [Symbol.dispose](): void {
    this.#bus[Symbol.dispose]();
  }

  /**
   * Starts a unit that is not there before. One that is left over, because it failed once, goes first.
   * @throws CgroupError naming the unit, and the job that came to nothing
   */
  start(unit: Unit, properties: readonly Property[]): void {
    try {
      this.#start(unit, properties);
    } catch (error) {
      if (kindOf(error) !== UNIT_EXISTS) throw error;
      this.forget(unit);
      this.#start(unit, properties);
    }
  }

  #start(unit: Unit, properties: readonly Property[]): void {
    const auxiliary: Variant = { signature: "a(sa(sv))", value: [] };
    const args = [text(unit.name), text(REPLACE), propertyList(this.#known(properties)), auxiliary];
    try {
      this.#run("start", unit, "StartTransientUnit", args);
    } catch (error) {
      // Without a refusal it may be there, or still come.
      if (kindOf(error) === undefined) unlessGone(() => this.#call(unit, "StopUnit", [text(unit.name), text(REPLACE)]));
      throw error;
    }
  }

  /** Stops a unit and forgets it; no error when it is gone. @throws CgroupError */
  stop(unit: Unit): void {
    unlessGone(() => this.#run("stop", unit, "StopUnit", [text(unit.name), text(REPLACE)]));
    this.forget(unit);
  }

  /** Has systemd forget that a unit failed, for as long as which it would keep it. No error when it did not. */
  forget(unit: Unit): void {
    unlessGone(() => this.#call(unit, "ResetFailedUnit", [text(unit.name)]));
  }

  /** Changes properties until the unit is gone. All of them, or none. @throws CgroupError */
  set(unit: Unit, properties: readonly Property[]): void {
    const args = [text(unit.name), { signature: "b", value: true }, propertyList(this.#known(properties))];
    this.#call(unit, "SetUnitProperties", args);
  }

  /** Takes a process into the unit's cgroup, or one below it: "/init". @throws CgroupError */
  attach(unit: Unit, below: string, pid: number): void {
    this.#call(unit, "AttachProcessesToUnit", [text(unit.name), text(below), { signature: "au", value: [pid] }]);
  }

  /** The cgroup that it is in itself, below which those of its units are; "" is the root. @throws CgroupError */
  controlGroup(): string {
    const path = told("ControlGroup", () => this.#bus.property("ControlGroup"));
    return path === "/" ? "" : path;
  }

  #known(properties: readonly Property[]): readonly Property[] {
    if (!properties.some(({ since }) => since !== undefined)) return properties;
    const version = Number.parseInt(
      told("Version", () => this.#bus.property("Version")),
      10,
    );
    return properties.filter(({ since = 0 }) => since <= version);
  }

  #call(unit: Unit, member: string, args: readonly Variant[]): void {
    told(unit.name, () => this.#bus.call(member, args));
  }

  #run(what: string, unit: Unit, member: string, args: readonly Variant[]): void {
    const deadline = performance.now() + PATIENCE * 1000;
    const [job, result] = told(unit.name, () => {
      this.#bus.subscribe();
      const path = this.#bus.callForJob(member, args);
      return [path.slice(path.lastIndexOf("/") + 1), this.#bus.jobResult(path, deadline)];
    });
    if (result === "done") return;
    const why = result === undefined ? `has not ended within ${PATIENCE} seconds` : `ended as "${result}"`;
    throw new CgroupError(`systemd unit ${unit.name}: job ${job} to ${what} it ${why}`);
  }
}

function text(value: string): Variant {
  return { signature: "s", value };
}

/** What is wrong on the bus, as an error of this room's that says with what. */
function told<Result>(about: string, ask: () => Result): Result {
  try {
    return ask();
  } catch (cause) {
    if (!(cause instanceof BusError)) throw cause;
    throw new CgroupError(`systemd unit ${about}: ${cause.message}`, undefined, { cause });
  }
}

/** The bus's name for what went wrong. */
function kindOf(error: unknown): string | undefined {
  const cause = error instanceof CgroupError ? error.cause : undefined;
  return cause instanceof BusError ? cause.kind : undefined;
}

function unlessGone(ask: () => void): void {
  try {
    ask();
  } catch (error) {
    if (kindOf(error) !== NO_SUCH_UNIT) throw error;
  }
}
