// Plans of the small commands that may follow a create: state, start, kill, delete. They are made while the engine is there
// anyway and lie encoded in the container's `prepared` file; the first instructions of dist/tsrun run them without an engine
// (scripts/entry/program.ts), in a tenth of the time.
//
// Such a plan has no judgement. It is for the ordinary case, and says so by its first calls: the machine has not been
// booted since, the process with init's number is init, nobody else holds the container's lock. One call that fails ends it, and
// tsrun itself begins from the start; so whatever a plan has done by then, tsrun does again or finds done.
// What is not ordinary gets no plan: hooks, sd_notify, no pid namespace of its own (other processes may outlive init).
// A command that makes a plan wrong removes the file first: container.ts does when the container goes.
//
// What tells init from a later process with its number is the inode of its pidfd, which Linux 6.9 and later give to no other
// process until the next boot; on earlier ones there is no file.

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
} from "../linux/abi/fcntl.ts";
import { STATX_INO, STATX_SIZE } from "../linux/abi/stat.ts";
import { openat, syscall } from "../linux/calls.ts";
import { encode } from "../linux/encode.ts";
import { descriptorStatus, fileSystemTypeOf } from "../linux/file-status.ts";
import { close, fileCall, open, readText } from "../linux/files.ts";
import { pidfdOpen } from "../linux/local.ts";
import { type Arg, type Call, Given, type Late, Out, OutAddress, Plan } from "../linux/plan.ts";
import { POLLHUP, POLLIN } from "../linux/poll.ts";
import {
  GIVEN,
  PREPARED,
  type PreparedCommand,
  SLOT_SIZE,
  SLOTS,
  VERSION,
  VERSION_OFFSET,
} from "../linux/prepared-file.ts";
import type { Container, Status } from "./container.ts";
import { viewAs, viewText } from "./container-view.ts";
import { SIGKILL } from "./signals.ts";

/** <linux/magic.h> */
const PID_FS_MAGIC = 0x50494446;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
/** Of the boot's id: letters that are compared, four to a word. */
const BOOT_ID_LETTERS = 8;

const LOCK_EX_NB = 2 | 4;
const FUTEX_CMP_REQUEUE_PRIVATE = 4 | 128;
const STATX_INO_ONLY = 0x100;
/** A write(2) of no more is done whole or not at all: pipe(7). */
const PIPE_BUF = 4096;
/** The descriptor that ppoll is told of. What has this number in these short processes, nobody needs. */
const POLLED = 61;
/** How long a killed init may take before tsrun itself goes on waiting for it, and says so in the end. */
const SECONDS = 10;

/** Init, as nobody else can be mistaken for it. */
interface Identity {
  readonly pid: number;
  /** Of its pidfd. */
  readonly inode: number;
  readonly bootId: Uint8Array;
}

/** Writes the file, for a container whose init there is and whose lock is held. */
export function prepareCommands(container: Container): void {
  const init = identify(container.state.pid);
  if (init === undefined || !ordinary(container)) return;
  const { hooks } = container.state;
  const plans: [PreparedCommand, Plan][] = [["kill", killPlan(init)]];
  const state = statePlan(container, init);
  if (state !== undefined) plans.push(["state", state]);
  if (hooks.startContainer.length === 0 && hooks.poststart.length === 0) plans.push(["start", startPlan()]);
  if (hooks.poststop.length === 0) {
    plans.push(["delete", deletePlan(container, init, { force: false })]);
    plans.push(["forceDelete", deletePlan(container, init, { force: true })]);
  }
  const fd = open(container.preparedPath, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    for (const [command, plan] of plans) writeSlot(fd, command, plan);
  } finally {
    close(fd);
  }
}

/** Undefined where the kernel cannot tell processes apart by pidfds. */
function identify(pid: number): Identity | undefined {
  const pidfd = pidfdOpen(pid);
  try {
    if (fileSystemTypeOf(pidfd) !== PID_FS_MAGIC) return undefined;
    const bootId = new TextEncoder().encode(readText(BOOT_ID)).subarray(0, BOOT_ID_LETTERS);
    return { pid, inode: descriptorStatus(pidfd).inode, bootId };
  } finally {
    close(pidfd);
  }
}

/** Whether all of the container's processes end with init, and there is a program whose readiness nobody waits for. */
function ordinary({ state, hasNotifySocket }: Container): boolean {
  const own = state.namespaces.some(({ type, path }) => type === "pid" && path === undefined);
  return own && state.hasProcess && !hasNotifySocket;
}

function writeSlot(fd: number, command: PreparedCommand, plan: Plan): void {
  const { message, far } = encode(plan.steps);
  if (far.length > 0 || message.length > SLOT_SIZE) return;
  new DataView(message.buffer).setUint32(VERSION_OFFSET, VERSION, true);
  fileCall("pwrite64", PREPARED, fd, message, message.length, SLOTS[command] * SLOT_SIZE);
}

/**
 * Prints what state.ts would, of a container that is created, running, or has ended and been waited for. Undefined where it
 * is more than is sure to be written at once: tsrun could not begin from the start then.
 */
function statePlan(container: Container, init: Identity): Plan | undefined {
  const plan = new Plan();
  const texts = {
    created: view(container, "created"),
    running: view(container, "running"),
    stopped: view(container, "stopped"),
  };
  if (Object.values(texts).some(({ length }) => length > PIPE_BUF)) return undefined;
  const print = (status: keyof typeof texts) => plan.add(syscall("write", 1, texts[status], texts[status].length));
  const printAndEnd = (status: keyof typeof texts) => () => {
    print(status);
    plan.add(syscall("exit_group", 0));
  };
  sameBoot(plan, init);
  const pidfd = plan.orElse("ESRCH", syscall("pidfd_open", init.pid, 0), printAndEnd("stopped"));
  isInit(plan, pidfd, init);
  plan.orElse("EAGAIN", equal(waitFor(plan, pidfd, 0), pollEvents(0)), printAndEnd("stopped"));
  plan.orElse("ENOENT", inDirectory("faccessat", "exec.fifo", 0), printAndEnd("running"));
  print("created");
  return plan;
}

function view(container: Container, status: Status): Uint8Array {
  return new TextEncoder().encode(viewText(viewAs(container, status)));
}

/** Does what start.ts does; what init has to say of an execve that failed, tsrun reads. */
function startPlan(): Plan {
  const plan = new Plan();
  takeLock(plan);
  const failure = plan.add(openat(DIRECTORY, "exec.failure", O_RDONLY | O_NONBLOCK));
  const gate = plan.add(openat(DIRECTORY, "exec.fifo", O_WRONLY | O_NONBLOCK));
  // Init lived until now, so the end of the other fifo will be seen. A reader of our own keeps SIGPIPE away.
  plan.add(openat(DIRECTORY, "exec.fifo", O_RDONLY | O_NONBLOCK));
  plan.add(syscall("write", gate, "0", 1));
  const events = waitFor(plan, failure);
  plan.add(equal(events, pollEvents(POLLHUP)));
  for (const name of ["exec.fifo", "exec.failure"]) plan.add(inDirectory("unlinkat", name, 0));
  return plan;
}

/** Sends the signal that was given. */
function killPlan(init: Identity): Plan {
  const plan = new Plan();
  sameBoot(plan, init);
  const pidfd = plan.add(syscall("pidfd_open", init.pid, 0));
  isInit(plan, pidfd, init);
  plan.add(equal(waitFor(plan, pidfd, 0), pollEvents(0)));
  plan.add(syscall("pidfd_send_signal", pidfd, new Given(GIVEN.signal), 0, 0));
  return plan;
}

/** Ends init where it waits to be started (or whatever it does, with `force`) and removes cgroups and directory. */
function deletePlan(container: Container, init: Identity, { force }: { force: boolean }): Plan {
  const plan = new Plan();
  takeLock(plan);
  sameBoot(plan, init);
  plan.unless("ESRCH", syscall("pidfd_open", init.pid, 0), (pidfd) => {
    isInit(plan, pidfd, init);
    if (!force)
      plan.orElse("ENOENT", inDirectory("faccessat", "exec.fifo", 0), () => {
        plan.add(equal(waitFor(plan, pidfd, 0), pollEvents(POLLIN)));
      });
    plan.tolerate("ESRCH", syscall("pidfd_send_signal", pidfd, SIGKILL, 0, 0));
    waitFor(plan, pidfd, SECONDS);
  });
  // One that is busy, or has others below it, is tsrun's.
  for (const path of Object.values(container.state.cgroups.paths)) plan.add(removeDirectory(path));
  const { directory, tomb } = container;
  plan.add(inDirectory("unlinkat", PREPARED, 0));
  plan.add(syscall("renameat2", AT_FDCWD, directory, AT_FDCWD, tomb, 0));
  for (const name of ["state.json", "config.json", "exec.fifo", "exec.failure"])
    plan.tolerate("ENOENT", inDirectory("unlinkat", name, 0));
  plan.add(removeDirectory(tomb));
  return plan;
}

const DIRECTORY = new Given(GIVEN.directory);

function inDirectory(name: "faccessat" | "unlinkat", file: string, ...args: Arg[]) {
  return syscall(name, DIRECTORY, file, ...args);
}

function removeDirectory(path: string) {
  return syscall("unlinkat", AT_FDCWD, path, AT_REMOVEDIR);
}

/** The container's lock, lock.ts, if it is free. The directory is where it was while this file is in it. */
function takeLock(plan: Plan): void {
  plan.add(syscall("flock", DIRECTORY, LOCK_EX_NB));
  plan.add(inDirectory("faccessat", PREPARED, 0));
}

/** Processes are numbered anew with each boot, inodes too; a state directory may have outlived it. */
function sameBoot(plan: Plan, { bootId }: Identity): void {
  const read = new Out(BOOT_ID_LETTERS);
  const fd = plan.add(openat(AT_FDCWD, BOOT_ID, O_RDONLY));
  plan.add(syscall("read", fd, read, BOOT_ID_LETTERS));
  const words = new DataView(bootId.buffer, bootId.byteOffset);
  for (let at = 0; at < BOOT_ID_LETTERS; at += 4) plan.add(equal(new OutAddress(read, at), words.getUint32(at, true)));
}

function isInit(plan: Plan, pidfd: Late, { inode }: Identity): void {
  const status = new Out(STATX_SIZE);
  plan.add(syscall("statx", pidfd, "", AT_EMPTY_PATH, STATX_INO_ONLY, status));
  plan.add(equal(new OutAddress(status, STATX_INO), inode % 2 ** 32));
  plan.add(equal(new OutAddress(status, STATX_INO + 4), Math.floor(inode / 2 ** 32)));
}

/** ppoll(2) for input, for so many seconds; undefined: without end. Where its events and what came of them are. */
function waitFor(plan: Plan, fd: Late, seconds?: number): OutAddress {
  const pollfd = new Out(8, new Uint8Array(Int32Array.of(POLLED, pollEvents(0)).buffer));
  const timeout = seconds === undefined ? 0 : new Uint8Array(BigInt64Array.of(BigInt(seconds), 0n).buffer);
  plan.add(syscall("dup3", fd, POLLED, O_CLOEXEC));
  plan.add(syscall("ppoll", pollfd, 1, timeout, 0, 0));
  return new OutAddress(pollfd, 4);
}

/** The second word of `struct pollfd`: s16 events, here always POLLIN, and s16 revents. A pidfd has some once its process ended. */
function pollEvents(revents: number): number {
  return POLLIN | (revents << 16);
}

/** Fails with EAGAIN unless the word of 32 bits is that: a futex(2) operation compares before it wakes and moves nobody. */
function equal(address: OutAddress, value: number): Call {
  return syscall("futex", address, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, address, value);
}
