// Podman of an ordinary user, in the guest that has one with a session and cgroups of his own (test/vm/guest/setup.sh). What it
// keeps is his; it is all in one call of as-tester, since what a unit leaves running ends with it.

import { chmodSync, chownSync } from "node:fs";
import { expect } from "vitest";
import { needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { client, rootfsTar, runtimeProgram } from "./engine.ts";

const TESTER = 1000;

/** Has him run a script in which $P is Podman and `busybox` an image. */
function tester(box: Sandbox, script: string) {
  const own = box.makeDirectory("own");
  chmodSync(box.directory, 0o755);
  chownSync(own, TESTER, TESTER);
  const podman = [
    `podman --root ${own}/storage --runroot ${own}/run --tmpdir ${own}/tmp --storage-driver vfs --events-backend none`,
    `--cgroup-manager cgroupfs --runtime ${runtimeProgram(box)}`,
  ].join(" ");
  // The last line lets go of files that belong to his other ids.
  const words = `P='${podman}'; $P import ${rootfsTar(box)} busybox >/dev/null 2>&1 || exit 99\n${script}\ncode=$?\n$P unshare rm -rf ${own}/*; exit $code`;
  return client(box, "as-tester", ["sh", "-c"])(words);
}

const needsTester = needs(program("podman"), program("conmon"), program("as-tester"));
const CGROUP = "cat /proc/self/cgroup /sys/fs/cgroup/pids.max";

needsTester("podman rootless: run with limits, as root and as others of his ids", async ({ box }) => {
  const script = [
    `$P run --rm --network=none --pids-limit 20 --memory 64m busybox sh -c 'id -u; ${CGROUP}; cat /sys/fs/cgroup/memory.max; exit 5'`,
    "echo $?",
    "for how in --user=1000 --userns=keep-id --userns=auto --pid=host --cgroupns=host --privileged --tmpfs=/x; do",
    "  $P run --rm --network=none $how busybox sh -c 'echo $0 $(id -u)' $how",
    "done",
    "$P run --rm --network=host busybox sh -c 'ls /sys/kernel >/dev/null && echo seen'",
  ].join("\n");
  const result = await tester(box, script);
  expect(result.stderr).toBe("");
  expect(result.stdout.split("\n")).toEqual([
    ...["0", "0::/", "20", "67108864", "5"],
    ...["--user=1000 1000", "--userns=keep-id 1000", "--userns=auto 0", "--pid=host 0", "--cgroupns=host 0"],
    ...["--privileged 0", "--tmpfs=/x 0", "seen", ""],
  ]);
});

needsTester("podman rootless: exec, pause and unpause, stop, rm", async ({ box }) => {
  const script = [
    "$P run -d --name c --network=none busybox sh -c 'trap \"exit 0\" TERM; while :; do sleep 0.05; done' >/dev/null",
    "$P exec c sh -c 'id -u; exit 3'; echo $?; $P exec -t c tty; $P exec --user 7 c id -u",
    "$P pause c >/dev/null; $P inspect --format '{{.State.Status}}' c; $P unpause c >/dev/null",
    "$P stop c >/dev/null; $P inspect --format '{{.State.ExitCode}}' c; $P rm c; $P ps -aq",
  ].join("\n");
  const result = await tester(box, script);
  expect(result.stderr).toBe("");
  expect(result.stdout.replaceAll("\r", "")).toBe("0\n3\n/dev/pts/0\n7\npaused\n0\nc\n");
});
