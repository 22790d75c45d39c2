// Podman of root and Podman of an ordinary user, called by the same shell script. What they keep lies in the sandbox. The
// ordinary user is the guest's, with a session and cgroups of his own (test/vm/guest/setup.sh); his script is one call of
// as-tester, since what a unit leaves running ends with it.

import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { processesOf } from "../../test/root/harness/leftovers.ts";
import { kernelFile, type Missing, needs, program } from "../../test/root/harness/needs.ts";
import type { Result } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { cgroupDriver, client, keepForwarding, removeIfNew, rootfsTar, runtimeProgram } from "./engine.ts";

/** Who calls Podman. */
export interface User {
  /** What names of tests begin with. */
  readonly name: "podman" | "podman rootless";
  /** The user's and group's id. */
  readonly id: number;
  /** systemctl of the user's manager. */
  readonly systemctl: string;
  /** Where Quadlet finds the user's units, as the shell reads it. */
  readonly units: string;
  readonly missing: readonly Missing[];
}

const installed = [program("podman"), program("conmon"), program("catatonit")];

export const root: User = {
  name: "podman",
  id: 0,
  systemctl: "systemctl",
  units: "/run/containers/systemd",
  missing: installed,
};

export const tester: User = {
  name: "podman rootless",
  id: 1000,
  systemctl: "systemctl --user",
  units: "/home/tester/.config/containers/systemd",
  missing: [...installed, program("as-tester")],
};

export const BOTH = [root, tester];

/** Needs cgroups of version 2, which an ordinary user has some of. */
export const cgroup2: Missing = kernelFile("/sys/fs/cgroup/cgroup.controllers") && "cgroup v2 is not all there is here";

/** Needs a version of Podman, or a later one. */
export function podmanSince(major: number, minor: number): Missing {
  const { stdout } = spawnSync("podman", ["--version"], { encoding: "utf8" });
  const [first = 0, second = 0] = (/(\d+)\.(\d+)/.exec(stdout ?? "")?.slice(1) ?? []).map(Number);
  return first > major || (first === major && second >= minor) ? undefined : `this needs Podman ${major}.${minor}`;
}

/** Podman with all that a user's script says of where it keeps what. */
export interface Podman {
  readonly user: User;
  readonly box: Sandbox;
  /** A folder that is the user's, for what a test makes. */
  readonly own: string;
  /** Podman's own options. */
  readonly globals: string;
  /** Its settings: the path that CONTAINERS_CONF takes. */
  readonly settings: string;
  /**
   * Has the user run a script in which $P is Podman and `busybox` an image; removes what is left of containers, pods and
   * volumes then.
   */
  run(script: string): Promise<Result>;
}

/** Declares a test of an operation for each of the users. */
export function operation(
  users: readonly User[],
  name: string,
  body: (podman: Podman) => Promise<void>,
  ...missing: readonly Missing[]
): void {
  for (const user of users)
    needs(...user.missing, ...missing)(`${user.name}: ${name}`, ({ box }) => body(podmanOf(user, box)));
}

/** Runs what the container prints, as lines. `$RUN` is `run` of a container without a network that is removed. */
export async function lines({ run }: Podman, script: string): Promise<string[]> {
  const result = await run(`RUN='run --rm --network=none'; ${script}`);
  expect(result.stderr).toBe("");
  return result.stdout.replaceAll("\t", " ").trimEnd().split("\n");
}

function podmanOf(user: User, box: Sandbox): Podman {
  chmodSync(box.directory, 0o755);
  const [own, kept] = [box.makeDirectory("own"), box.makeDirectory("podman")];
  for (const path of [own, kept]) chownSync(path, user.id, user.id);
  const settings = writeSettings(box);
  const globals = [
    `--root ${kept}/storage --runroot ${kept}/run --tmpdir ${kept}/tmp --storage-driver vfs --events-backend none`,
    `--cgroup-manager ${cgroupDriver} --runtime ${runtimeProgram(box)}`,
  ].join(" ");
  const tar = rootfsTar(box);
  const call = user.id === 0 ? client(box, "sh", []) : client(box, "as-tester", ["sh"]);
  if (user.id === 0) cleanUpAfterRoot(box);
  else box.defer(() => endPauseProcess(box, () => call("-c", `podman ${globals} system migrate`)));
  const podman = `env CONTAINERS_CONF=${settings} podman ${globals}`;
  const remove = [
    "$P pod rm --all --force --time 0; $P rm --all --force --time 0; $P volume prune --force",
    ...(user.id === 0 ? [] : [`$P unshare sh -c 'rm -rf ${own}/* ${kept}/*'`]), // files that belong to his other ids
  ];
  const run = (script: string) => {
    const lines = [
      `P='${podman}'; $P import ${tar} busybox >/dev/null 2>&1 || exit 99`,
      script,
      `code=$?; { ${remove.join("; ")}; } >/dev/null 2>&1; exit $code`,
    ];
    // In a file: systemd-run, which as-tester calls, replaces what looks like a variable in arguments.
    writeFileSync(box.path("script"), `${lines.join("\n")}\n`);
    return call(box.path("script"));
  };
  return { user, box, own, globals, settings, run };
}

/**
 * Ends the process that keeps the user namespace of an ordinary user's Podman, in a scope of its own. Conmon's last call of
 * Podman may come after the test's and make one anew.
 */
async function endPauseProcess(box: Sandbox, end: () => Promise<Result>): Promise<void> {
  for (let tries = 0; processesOf(box.word).length > 0 && tries < 50; tries += 1) {
    await end();
    await sleep(200);
  }
}

/** Without CAP_SYS_RESOURCE Podman's own limits cannot be set; and --cgroups=disabled is for runtimes that it knows. */
function writeSettings(box: Sandbox): string {
  const path = box.path("containers.conf");
  const lines = [
    "[containers]",
    'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]',
    "[engine]",
    "exit_command_delay = 3", // else what is run through the API leaves conmon waiting for five minutes
    `runtime_supports_nocgroup = ["${basename(runtimeProgram(box))}"]`,
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** Waits for what outlives Podman's commands by a moment: conmon and its last call of Podman. */
async function untilEnded(box: Sandbox): Promise<void> {
  for (let tries = 0; processesOf(box.word).length > 0 && tries < 100; tries += 1) await sleep(100);
}

/** Pods have cgroups of their own, whose names Podman and not the sandbox gives; without systemd they stay behind, empty. */
function cleanUpAfterRoot(box: Sandbox): void {
  removeIfNew(box, "/dev/shm/libpod_lock", "/run/libpod", "/run/containers", "/var/lib/containers");
  keepForwarding(box);
  box.defer(() => untilEnded(box));
  if (cgroupDriver === "systemd") return;
  box.defer(() => {
    for (const hierarchy of readdirSync("/sys/fs/cgroup"))
      removeEmpty(join("/sys/fs/cgroup", hierarchy, "libpod_parent"));
  });
}

function removeEmpty(directory: string): void {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmpty(join(directory, entry.name));
  try {
    rmdirSync(directory);
  } catch {
    // somebody else's pod is in it
  }
}
