// A container's state to start a test from.

import type { State } from "../../src/lifecycle/state-file.ts";

/** A container without a process, with these changes. */
export function sample(changes: Partial<State> = {}): State {
  return {
    ociVersion: "1.3.0",
    id: "c1",
    phase: "created",
    pid: 0,
    pidStart: 0,
    created: "2026-01-02T03:04:05.678Z",
    bundle: "/bundle",
    rootfs: "/bundle/rootfs",
    annotations: {},
    uid: 0,
    namespaces: [{ type: "pid" }],
    hooks: { startContainer: [], poststart: [], poststop: [] },
    cgroups: { mode: "v2", paths: {} },
    cgroupsMade: true,
    hasProcess: true,
    memoryLimited: false,
    confined: false,
    keyring: "_ses.sample",
    lastCalls: [],
    ...changes,
  };
}
