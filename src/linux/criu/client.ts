// A criu(8) of our own: `criu swrk FD` answers requests on a socket of SOCK_SEQPACKET, one message each, and ends when that is
// closed. Between a request and its answer it sends notifications and waits for each to be answered; the one of a terminal
// brings a descriptor. (There is a library, too, but it calls back, which our engine cannot be.)
//
// An agent becomes it: what is to be made in its mount namespace and by its rights is a plan, and it is tsrun's child.

import { errnoName } from "../abi/errno.ts";
import { AT_FDCWD, CLOSE_RANGE_CLOEXEC, O_DIRECTORY, O_RDONLY, O_RDWR } from "../abi/fcntl.ts";
import { AF_UNIX, SOCK_SEQPACKET } from "../abi/socket.ts";
import { Agent } from "../agent/agent.ts";
import { close, write } from "../agent/descriptors.ts";
import type { SpawnOptions } from "../agent/posix-spawn.ts";
import { describeStatus, endOf, killAndReap, waitFor } from "../agent/reap.ts";
import { close as closeCall, syscall } from "../calls.ts";
import { OpenFile } from "../files.ts";
import { planHandingOver, receiveWithDescriptor } from "../handing-over.ts";
import { findProgram, ownEnvironment } from "../host-program.ts";
import { AgentKernel } from "../kernel.ts";
import { AgentSocket, Out, Plan, Strings } from "../plan.ts";
import { stopIgnoringChildren } from "../sigchld.ts";
import { CriuError } from "./error.ts";
import { type CriuOptions, REQUEST, REQUEST_SCHEMA, RESPONSE_SCHEMA, type Response } from "./messages.ts";
import { decode, encode } from "./protobuf.ts";

/** Room for an answer; none is near as long. */
const ANSWER = 40 * 1024;

/** What is asked. The directories are CRIU's from its start. */
export interface CriuRequest {
  readonly type: number;
  readonly opts?: Omit<CriuOptions, "images_dir_fd" | "work_dir_fd">;
  readonly features?: { readonly mem_track?: boolean; readonly lazy_pages?: boolean };
}

/** Paths of directories of the host's: of the images, and where the log and work files are, if elsewhere. */
export interface Directories {
  readonly images: string;
  readonly work?: string | undefined;
}

/** What is done in the process before it is CRIU; the plan that is returned, once the directories are open. */
export type Prepare = (pid: number, kernel: AgentKernel) => Plan;

/** What CRIU tells while it is at it, and a descriptor that may come with it, which is the handler's. */
export type OnNotify = (script: string, pid: number, descriptor: number | undefined) => void;

/** Owns the process and our end of its socket. */
export class Criu implements Disposable {
  readonly #pid: number;
  readonly #socket: number;
  readonly #directories: Pick<CriuOptions, "images_dir_fd" | "work_dir_fd">;
  #ended = false;

  private constructor(pid: number, { socket, ...directories }: Opened) {
    this.#pid = pid;
    this.#socket = socket;
    this.#directories = directories;
  }

  /**
   * Starts one that restores: it has tsrun's standard streams, for the container, and each of `inherited` under the number
   * that it has here. `prepare` is told of the process, and may run plans in it before it is CRIU.
   * @throws CriuError where there is none, SyscallError
   */
  static toRestore(directories: Directories, inherited: readonly number[], prepare: Prepare): Criu {
    return Criu.#start(directories, [0, 1, 2, ...inherited].map(asHere), prepare);
  }

  /** Starts one for anything else: what it has to say is in its log. @throws CriuError where there is none, SyscallError */
  static start(directories: Directories): Criu {
    using nothing = new OpenFile("/dev/null", O_RDWR);
    const streams = [0, 1, 2].map((fd) => [nothing.fd, fd] as const);
    return Criu.#start(directories, streams, () => new Plan());
  }

  static #start(directories: Directories, fds: SpawnOptions["fds"], prepare: Prepare): Criu {
    const path = findProgram("criu");
    if (path === undefined) throw new CriuError("CRIU is not there: no program criu in PATH");
    stopIgnoringChildren();
    using undo = new DisposableStack();
    const socket = Math.max(...fds.flat()) + 1;
    const agent = undo.use(Agent.spawn({ fds, argv0: "tsrun:criu", socket }));
    const kernel = new AgentKernel(agent);
    const last = prepare(agent.pid, kernel);
    const { theirs, ...opened } = openInside(agent, kernel, directories);
    undo.adopt(opened.socket, close);
    kernel.run(last);
    kernel.runLast(becomeCriu(path, theirs));
    agent.hangUp();
    undo.move();
    return new Criu(agent.pid, opened);
  }

  /** Asks, and waits for the answer. @throws CriuError where it is a failure; what a notification's handler throws */
  ask(request: CriuRequest, onNotify: OnNotify = () => {}): Response {
    const { opts } = request;
    this.#send(opts === undefined ? request : { ...request, opts: { ...opts, ...this.#directories } });
    let failure: { readonly error: unknown } | undefined;
    for (;;) {
      const { response, descriptor } = this.#receive();
      if (response.type === REQUEST.notify && response.success === 1) {
        try {
          onNotify(response.notify?.script ?? "", response.notify?.pid ?? 0, descriptor);
        } catch (error) {
          failure ??= { error };
        }
        // What is refused CRIU undoes, and then answers.
        this.#send({ type: REQUEST.notify, notify_success: failure === undefined });
        continue;
      }
      if (descriptor !== undefined) close(descriptor);
      if (failure !== undefined) throw failure.error;
      if (response.success !== 1) throw new CriuError(`criu failed: ${describe(response)}`, response.cr_errmsg);
      return response;
    }
  }

  /** Has it end, and waits. How it ended does not matter: of a pre-dump it is a failure, since no dump follows. */
  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    close(this.#socket);
    waitFor(this.#pid);
  }

  /** Has it end, by force if it takes too long. */
  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#ended = true;
    close(this.#socket);
    endOf(this.#pid);
    killAndReap(this.#pid);
  }

  #send(request: object): void {
    const sent = write(this.#socket, encode(request, REQUEST_SCHEMA));
    if (sent < 0) throw this.#gone();
  }

  #receive(): { response: Response; descriptor: number | undefined } {
    const buffer = new Uint8Array(ANSWER);
    const { length, descriptor } = receiveWithDescriptor(this.#socket, buffer);
    if (length <= 0) throw this.#gone();
    return { response: decode(buffer.subarray(0, length), RESPONSE_SCHEMA) as unknown as Response, descriptor };
  }

  /** Its socket is closed at its other end. */
  #gone(): CriuError {
    this.#ended = true;
    close(this.#socket);
    return new CriuError(`criu ${describeStatus(waitFor(this.#pid))} before it had answered`);
  }
}

/** A descriptor under the number that it has here. */
function asHere(fd: number): readonly [number, number] {
  return [fd, fd];
}

/** Our end of CRIU's socket, and descriptors of CRIU's. */
interface Opened {
  readonly socket: number;
  readonly images_dir_fd: number;
  readonly work_dir_fd?: number;
}

/**
 * The socket and the directories. CRIU looks for their descriptors in the process that made the socket, and mounts things below the
 * working directory: so all of it is made by the process that becomes CRIU, and in its mount namespace.
 */
function openInside(agent: Agent, kernel: AgentKernel, { images, work }: Directories): Opened & { theirs: number } {
  const plan = new Plan();
  const open = (path: string) => plan.add(syscall("openat", AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0));
  const pair = new Out(8);
  plan.at("criu").add(syscall("socketpair", AF_UNIX, SOCK_SEQPACKET, 0, pair));
  const imagesFd = open(images);
  const workFd = work === undefined ? undefined : open(work);
  const answers = kernel.run(plan);
  const [theirs = -1, ours = -1] = new Int32Array(answers.bytes(pair).slice().buffer);
  const handedOver = kernel.begin(planHandingOver(ours));
  const socket = agent.receiveDescriptor();
  handedOver();
  const closing = new Plan();
  closing.at("criu").add(closeCall(ours)); // end of file on it is to mean that tsrun has none
  kernel.run(closing);
  const directories = { images_dir_fd: answers.value(imagesFd), ...(workFd && { work_dir_fd: answers.value(workFd) }) };
  return { theirs, socket, ...directories };
}

function becomeCriu(path: string, socket: number): Plan {
  const plan = new Plan();
  const args = new Strings(["criu", "swrk", String(socket)]);
  // End of file on it is to say that CRIU is there.
  plan.at("criu").add(syscall("close_range", new AgentSocket(), new AgentSocket(), CLOSE_RANGE_CLOEXEC));
  plan.add(syscall("execve", path, args, new Strings(ownEnvironment())));
  return plan;
}

function describe({ type, cr_errno: errno }: Response): string {
  const what = Object.entries(REQUEST).find(([, number]) => number === type)?.[0] ?? `request ${type}`;
  return errno ? `${what}: ${errnoName(errno)}` : what;
}
