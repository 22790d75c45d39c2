// An agent process as tsrun holds it: started, spoken to, and left with nothing behind. wire.ts says what is spoken.
// socketpair(2), unix(7), wait4(2).
//
// Sending and receiving are plain writes and reads, which block: tsrun has nothing else to do meanwhile. A write always has
// room, for the agent has read what came before; a read ends after a silence, silence.ts.

import { EAGAIN, ECONNRESET, EPIPE } from "../abi/errno.ts";
import { CLOSE_RANGE_CLOEXEC, F_DUPFD_CLOEXEC } from "../abi/fcntl.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_SEQPACKET } from "../abi/socket.ts";
import { hostArchitecture, syscallNumber } from "../abi/syscalls.ts";
import { SafetyViolation } from "../errors.ts";
import { receiveDescriptor } from "../handing-over.ts";
import { syscall } from "../libc.ts";
import { checked, close, read, write } from "./descriptors.ts";
import { openExecutable } from "./executable.ts";
import { agentImage } from "./image.ts";
import { type SpawnOptions, spawn } from "./posix-spawn.ts";
import { type End, endOf, isChild, killAndReap } from "./reap.ts";
import { describeSilence, hasExecuted, limitSilence } from "./silence.ts";
import { AGENT_SOCKET } from "./wire.ts";

const FIRST_OTHER = 3;
const LAST_DESCRIPTOR = 0xffff_ffff;

/** How to start an agent. */
export interface AgentOptions {
  /** Descriptors that it starts with besides its socket and 0 to 2, which it inherits: [here, there]. */
  readonly fds?: SpawnOptions["fds"];
  /** What ps shows. */
  readonly argv0?: string;
  /** The descriptor of its socket. */
  readonly socket?: number;
  /** The file to run where memfds cannot be: by default `tsrun-agent` beside the binary. */
  readonly installed?: string;
}

/** The process is no more. */
export class AgentEnded extends Error {
  override readonly name = "AgentEnded";
  /** As the kernel kills for memory, among others. */
  readonly byKill: boolean;

  constructor(pid: number, how: string) {
    super(`Cannot go on: the agent (process ${pid}) ${how}`);
    this.byKill = how.endsWith(" by SIGKILL");
  }
}

/** A socket pair for tsrun and an agent, or for tsrun and the child of a clone: [ours, theirs], both close-on-exec. */
export function socketpair(): readonly [ours: number, theirs: number] {
  const fds = new Int32Array(2);
  const type = SOCK_SEQPACKET | SOCK_CLOEXEC;
  const result = syscall(syscallNumber("socketpair"), AF_UNIX, type, 0, new Uint8Array(fds.buffer));
  checked(result, "socketpair", AF_UNIX, type, 0);
  const [ours = -1, theirs = -1] = fds;
  limitSilence(ours);
  return [ours, theirs];
}

/** Is told of what takes long. */
export type Teller = (message: string, again: boolean, pid: number) => void;

/** PID_MAX_LIMIT: no process has a larger number. proc_sys_kernel(5), pid_max. */
const LAST_PID = 4_194_304;

/** The processes that there are agents of. */
const known = new Set<number>();

/** Owns our end of the socket and, until `release`, the process. */
export class Agent implements Disposable {
  readonly pid: number;
  readonly #socket: number;
  readonly #tell: Teller;
  readonly #end: End;
  #open = true;
  #owned = true;
  /** Whether it has executed no program yet, not even the agent's own. */
  #forked = true;

  private constructor(socket: number, pid: number, tell: Teller = () => {}, end: End = killAndReap) {
    this.#socket = socket;
    this.pid = pid;
    this.#tell = tell;
    this.#end = end;
    known.add(pid);
  }

  /** Starts an agent. It waits for its first message. SyscallError where the kernel refuses. */
  static spawn(options: AgentOptions = {}): Agent {
    const [ours, theirs] = socketpair();
    try {
      const agent = new Agent(ours, start(theirs, options));
      agent.#forked = false;
      return agent;
    } catch (error) {
      close(ours);
      throw error;
    } finally {
      close(theirs);
    }
  }

  /**
   * The child of a clone, which took the other end of `socket` as its own. It need not be a child of ours; but an answer
   * that is no process at all must not be written to as one: to kill(2), 0 and -1 are many. `end` is how disposal ends it.
   */
  static adopted(socket: number, pid: number, tell?: Teller, end?: End): Agent {
    if (!(pid > 0 && pid <= LAST_PID)) throw new SafetyViolation("agent", `${pid} is no process`);
    return new Agent(socket, pid, tell, end);
  }

  /**
   * The process that an agent says it has cloned, by CLONE_PARENT: a child of ours, and none that we know. What is said may not be
   * true, for until its first system call the clone has its maker's socket, and who traces it can answer in the maker's stead;
   * and limits, cgroups, id maps and signals are given to the process by its number.
   */
  static cloned(pid: number): number {
    if (known.has(pid) || !isChild(pid)) throw new SafetyViolation("agent", `${pid} is no process of ours`);
    return pid;
  }

  /** Sends one message. Error, saying how it ended, where the agent is gone; SyscallError for a message too long. */
  send(message: Uint8Array): void {
    const sent = write(this.#socket, message);
    if (isGone(sent)) {
      throw this.#ended();
    }
    checked(sent, "write", this.#socket, message.length);
  }

  /** Waits for one message; the number of bytes of it that `buffer` has room for. Error, saying how, at its end. */
  receive(buffer: Uint8Array): number {
    const length = this.#read(buffer);
    if (length === 0 || isGone(length)) {
      throw this.#ended();
    }
    return checked(length, "read", this.#socket, buffer.length);
  }

  /**
   * Waits for what follows a vector that ends in execve: its frame comes back where that failed, end of file comes where
   * it succeeded, for the socket is close-on-exec. The number of bytes, 0 for end of file. Error where it ended before that.
   */
  receiveOrEnd(buffer: Uint8Array): number {
    const length = this.#read(buffer, true);
    // ECONNRESET: it ended with the vector unread.
    if (isGone(length)) throw this.#ended();
    return checked(length, "read", this.#socket, buffer.length);
  }

  /** Waits for a message with a descriptor, which is ours then. Error where the next message has none. */
  receiveDescriptor(): number {
    const fd = receiveDescriptor(this.#socket);
    if (fd === undefined) throw new Error(`Cannot go on: process ${this.pid} did not hand its descriptor over`);
    return fd;
  }

  /** Gives the process away: from here on disposal closes the socket, the process lives on, and its end is for others to see. */
  release(): void {
    this.#owned = false;
  }

  /** Closes the socket: the process, if it still listens, ends by itself. */
  hangUp(): void {
    if (this.#open) {
      close(this.#socket);
    }
    this.#open = false;
  }

  /** Closes the socket, and ends and reaps the process where it is a child of ours; no other can end up with it. */
  [Symbol.dispose](): void {
    this.hangUp();
    if (this.#owned) {
      this.#end(this.pid);
      known.delete(this.pid);
    }
    this.#owned = false;
  }

  /** Tells of each silence; `orEnd`: a program that runs is the end. @throws SafetyViolation where the process was stopped */
  #read(buffer: Uint8Array, orEnd = false): number {
    for (let silences = 0; ; silences++) {
      const length = read(this.#socket, buffer);
      if (length !== -EAGAIN) return length;
      if (orEnd && this.#forked && hasExecuted(this.pid)) return 0;
      const what = describeSilence(this.pid);
      this.#tell(what, silences > 0, this.pid);
    }
  }

  #ended(): Error {
    return new AgentEnded(this.pid, endOf(this.pid));
  }
}

function start(theirs: number, options: AgentOptions): number {
  const { fds = [], argv0 = "tsrun-agent", socket = AGENT_SOCKET, installed } = options;
  const pairs: SpawnOptions["fds"] = [[theirs, socket], ...fds, ...standardDescriptors(fds)];
  // Descriptors that tsrun inherited without close-on-exec would go on to the agent: it gets what it is given, no more.
  const mark = syscall(syscallNumber("close_range"), FIRST_OTHER, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC);
  checked(mark, "close_range", FIRST_OTHER, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC);
  const image = agentImage(hostArchitecture(), socket);
  const program = outOfTheWay(openExecutable(image, installed), pairs);
  try {
    const path = `/proc/self/fd/${program}`;
    const argv = [new TextEncoder().encode(argv0)];
    return checked(spawn({ path, argv, env: [], fds: pairs }), "execve", path);
  } finally {
    close(program);
  }
}

/** 0 to 2 as ours, unless others are given. Said explicitly, because engines may set close-on-exec on them (Node does). */
function standardDescriptors(fds: SpawnOptions["fds"]): SpawnOptions["fds"] {
  const given = new Set(fds.map((pair) => pair[1]));
  return ([0, 1, 2] as const).filter((fd) => !given.has(fd)).map((fd) => [fd, fd]);
}

/** The program's descriptor under a number that none of the child's overwrites before it is run. */
function outOfTheWay(program: number, pairs: SpawnOptions["fds"]): number {
  if (pairs.every((pair) => pair[1] !== program)) {
    return program;
  }
  const least = Math.max(...pairs.flat()) + 1;
  const fd = syscall(syscallNumber("fcntl"), program, F_DUPFD_CLOEXEC, least);
  close(program);
  return checked(fd, "fcntl", program, F_DUPFD_CLOEXEC, least);
}

/** A peer that died with our message unread, or before it. */
function isGone(result: number): boolean {
  return result === -EPIPE || result === -ECONNRESET;
}
