// A container's cgroup from its place to its making. Without systemd it is made while nobody is in it, and init is born in it (v2)
// or enters it (v1). A unit of systemd's is made around a process that is there.

import type { CgroupDirectory } from "../linux/cgroup-mount.ts";
import { Cgroup, type CgroupRecord } from "../linux/cgroups/cgroup.ts";
import { type CgroupRequest, createCgroup } from "../linux/cgroups/create.ts";
import { type CgroupHost, cgroupHost } from "../linux/cgroups/host.ts";
import { cgroupPaths } from "../linux/cgroups/paths.ts";
import { createUnit, unitRecord } from "../linux/cgroups/systemd/create.ts";
import { unitOf } from "../linux/cgroups/systemd/unit.ts";
import { inUserNamespace } from "../linux/user-namespace.ts";
import type { Config } from "../spec/config.gen.ts";
import type { Request } from "./request.ts";
import { isRootless } from "./rootless.ts";

const NO_CGROUPS: CgroupHost = { mode: "v1", hierarchies: [] };

/** Where one container's cgroup is to be. */
export class Placement {
  /** Known before anything is made, so that a tsrun killed in between leaves none unknown. */
  readonly record: CgroupRecord;
  readonly #host: CgroupHost;
  readonly #request: Request;
  readonly #config: Config;
  #made: Cgroup = Cgroup.NONE;

  /** Asks the host. @throws ConfigError for a linux.cgroupsPath that is none */
  constructor(request: Request, config: Config) {
    this.#host = request.cgroupManager === "disabled" ? NO_CGROUPS : cgroupHost();
    this.#request = request;
    this.#config = config;
    this.record = this.#recordOf();
  }

  #recordOf(): CgroupRecord {
    const [{ mode, hierarchies }, { linux }, { id, rootless, cgroupManager }] = [
      this.#host,
      this.#config,
      this.#request,
    ];
    if (hierarchies.length === 0) return { mode, paths: {} };
    if (cgroupManager === "systemd") {
      const bus = isRootless(rootless) || inUserNamespace() ? "user" : "system";
      return unitRecord(this.#host, unitOf(linux?.cgroupsPath, id, bus));
    }
    const directories = cgroupPaths(this.#host, linux?.cgroupsPath, id);
    return { mode, paths: Object.fromEntries(directories.map(({ hierarchy, path }) => [hierarchy.name, path])) };
  }

  /** Before init: makes the cgroup that it is to be born in. Of a unit there is none yet. `undo` unmakes it. */
  before(undo: DisposableStack): Cgroup {
    if (this.record.unit === undefined && this.#host.hierarchies.length > 0)
      this.#made = undo.adopt(createCgroup(this.#host, this.#cgroupRequest()), unmake);
    return this.#made;
  }

  /** Once init is there, and waits: the container's cgroup, with init in it or about to enter it. `undo` unmakes it. */
  around(pid: number, undo: DisposableStack): Cgroup {
    const { record } = this;
    const { unit } = record;
    if (unit === undefined) return this.#made;
    const { annotations = {} } = this.#config;
    const request = { ...this.#cgroupRequest(), unit, record, annotations, pid };
    return undo.adopt(createUnit(this.#host, request), unmake);
  }

  /**
   * What a cgroup mount shows, once `before` has run: the container's own, or tsrun's where it has none; for one who is
   * rootless, whose own he could change from inside, nothing (CVE-2023-25809).
   */
  shown(): CgroupDirectory[] {
    const { paths } = this.record.unit === undefined ? this.#made.record() : this.record;
    const own = Object.entries(paths).map(([name, directory]) => ({ name, directory }));
    if (own.length > 0 || isRootless(this.#request.rootless)) return own;
    return this.#host.hierarchies.map(({ name, mount, own: place }) => ({ name, directory: `${mount}${place}` }));
  }

  #cgroupRequest(): CgroupRequest {
    const { id, rootless } = this.#request;
    const { cgroupsPath, resources } = this.#config.linux ?? {};
    return { id, cgroupsPath, resources, rootless: () => isRootless(rootless) };
  }
}

function unmake(cgroup: Cgroup): void {
  cgroup.killAll();
  cgroup.remove();
}
