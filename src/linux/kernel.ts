// Runs plans. `Kernel` is the one choke point that every system call for a container passes, so it can be the agent, a
// recorder that runs nothing, or one that fails on purpose.

import { errnoName, errnoNumber, errnoText } from "./abi/errno.ts";
import { ARENA, ARENA_SIZE, FRAME, FRAME_SIZE, FRAMES, HEADER, HEADER_SIZE, MESSAGE_MAX } from "./agent/wire.ts";
import { type Encoded, encode, FAR, ReplyTooLong } from "./encode.ts";
import { SafetyViolation } from "./errors.ts";
import {
  AgentSocket,
  type Answers,
  type Arg,
  type Call,
  type Out,
  OutWord,
  Plan,
  Result,
  type Step,
  type Tolerance,
} from "./plan.ts";

/** Something that runs plans: all of it or up to the first failure, which is thrown as a SyscallError. */
export interface Kernel {
  run(plan: Plan): Results;
}

/** A system call that failed: prints as a call, after the config field that it comes from. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  readonly call: Call;
  readonly errno: number;
  readonly field: string;

  constructor(call: Call, errno: number, field: string) {
    super(describeFailure(call, errno, field));
    this.call = call;
    this.errno = errno;
    this.field = field;
  }
}

function describeFailure(call: Call, errno: number, field: string): string {
  const text = `${describeCall(call, field)}: ${errnoName(errno)} (${errnoText(errno)})`;
  const why = REASONS[`${call.name} ${errnoName(errno)}`];
  return why === undefined ? text : `${text}: ${why}`;
}

const EXEC_CLONES = "a filter that is loaded before no_new_privs would allow it must let exec clone its process";

/** What the manual pages have to say of an errno that tells little by itself. */
const REASONS: Readonly<Record<string, string>> = {
  "mount_setattr EPERM": "in a user namespace, cannot clear flags that the host's mount has: they are locked",
  "clone EPERM": EXEC_CLONES,
  "clone ENOSYS": EXEC_CLONES,
  "clone3 ENOSPC": "there may be no more namespaces of a kind: /proc/sys/user/max_*_namespaces",
};

/** A call in an error: the config field that it comes from, its name and what tells it from others of that name. */
export function describeCall(call: Call, field: string): string {
  const text = `${call.name}(${subject(call)})`;
  return field === "" ? text : `${field}: ${text}`;
}

/** The strings among a call's arguments: what tells one call from another of its name. */
function subject(call: Call): string {
  return call.args.filter((arg) => typeof arg === "string" && arg !== "").join(", ");
}

/** What the calls of a plan returned. */
export class Results implements Answers {
  readonly #values: number[];
  readonly #outs = new Map<Out, Uint8Array>();

  constructor(count: number) {
    this.#values = new Array<number>(count).fill(0);
  }

  /** A call's result: ≥ 0, or minus the errno where that was tolerated; 0 for a call that was skipped. */
  value(result: Result): number {
    return this.#values[result.index] ?? 0;
  }

  /** The bytes of an `Out` after the run. */
  bytes(out: Out): Uint8Array {
    return this.#outs.get(out) ?? new Uint8Array(out.size);
  }

  /**
   * Takes the results of a reply over; throws for a call that failed untolerated. The agent is inside the container by
   * then: a reply that no honest one sends is a SafetyViolation, whatever else it says.
   */
  take(reply: Uint8Array, encoded: Encoded, steps: readonly Step[], first: number): void {
    if (reply.length !== encoded.replyLength)
      throw badReply(`it has ${reply.length} bytes where ${encoded.replyLength} are due`);
    // Both of our architectures are little-endian, as the reply is.
    const words = new Int32Array(reply.buffer, reply.byteOffset, reply.byteLength >> 2);
    const failed = failedIndex(words, steps.length);
    const ran = failed ?? steps.length;
    const values = this.#values;
    for (let i = 0; i < ran; i++) {
      const value = resultAt(words, i);
      const tolerance = steps[i]?.tolerance;
      const isFailed = value < 0 && isFailure(value);
      if (isFailed && !isTolerated(value, tolerance)) throw badReply(`it goes on after call ${i} failed`);
      values[first + i] = value;
      // What is skipped has no result in its frame but what was sent there: it stays 0.
      if (tolerance !== undefined && isFailed !== tolerance.skipOnSuccess) i += tolerance.skip;
    }
    if (failed !== undefined) throw failure(steps[failed], resultAt(words, failed));
    for (const [out, offset] of encoded.outs) this.#outs.set(out, reply.slice(offset, offset + out.size));
  }

  /** The steps with everything that earlier results can fill in filled in. */
  resolve(steps: readonly Step[], first: number): Step[] {
    return steps.map((step) => ({
      ...step,
      call: { ...step.call, args: step.call.args.map((a) => this.#known(a, first)) },
    }));
  }

  #known(arg: Arg, first: number): Arg {
    if (arg instanceof Result && arg.index < first) return this.value(arg);
    if (arg instanceof OutWord) {
      const bytes = this.#outs.get(arg.out);
      if (bytes !== undefined) return new DataView(bytes.buffer).getBigUint64(arg.offset, true);
    }
    return arg;
  }
}

/** Which call the reply says that it stopped at; undefined where all were made. */
function failedIndex(words: Int32Array, count: number): number | undefined {
  const address = (words[HEADER.failed >> 2] ?? 0) >>> 0;
  const high = words[(HEADER.failed >> 2) + 1] ?? 0;
  if (address === 0 && high === 0) return undefined;
  const index = (address - FRAMES) / FRAME_SIZE;
  if (high !== 0 || !Number.isInteger(index) || index < 0 || index >= count)
    throw badReply(`it stopped at ${address}, where no call is`);
  return index;
}

function failure(step: Step | undefined, value: number): Error {
  if (step === undefined || !isFailure(value)) return badReply(`it stopped at a call that returned ${value}`);
  return new SyscallError(step.call, -value, step.field);
}

function isTolerated(value: number, tolerance: Tolerance | undefined): boolean {
  const errno = tolerance?.errno;
  return errno === "any" || (errno !== undefined && errnoNumber(errno) === -value);
}

function badReply(why: string): SafetyViolation {
  return new SafetyViolation("agent", `its answer is none: ${why}`);
}

/** As the kernel has it: -4095 to -1, and no other negative number. */
function isFailure(value: number): boolean {
  return value < 0 && value >= -4095;
}

function resultAt(words: Int32Array, index: number): number {
  const at = (HEADER_SIZE + index * FRAME_SIZE + FRAME.result) >> 2;
  const low = words[at] ?? 0;
  const high = words[at + 1] ?? 0;
  return high === low >> 31 ? low : high * 0x1_0000_0000 + (low >>> 0);
}

/** The two ends of the conversation that an AgentKernel needs of an agent. */
export interface Channel {
  send(message: Uint8Array): void;
  receive(buffer: Uint8Array): number;
  receiveOrEnd(buffer: Uint8Array): number;
}

/** Runs plans in an agent. */
export class AgentKernel implements Kernel {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  run(plan: Plan): Results {
    const results = new Results(plan.steps.length);
    const { steps } = plan;
    const pauses = plan.pauses.values();
    let pause = pauses.next().value;
    for (let first = 0; first < steps.length || pause !== undefined; ) {
      if (pause !== undefined && pause.after === first) {
        pause.action(results);
        pause = pauses.next().value;
        continue;
      }
      const { slice, encoded } = sliceOf(steps, first, pause?.after ?? steps.length, results);
      this.#sendEncoded(encoded);
      results.take(this.#reply(encoded), encoded, slice, first);
      first += slice.length;
    }
    return results;
  }

  /** Sends a plan of one slice without waiting for an answer: its last call does not return. */
  send(plan: Plan): void {
    this.#send(plan.steps, 0);
  }

  /** Runs a plan of one slice that ends in execve: end of file is its success. @throws SyscallError of what failed */
  runLast(plan: Plan): void {
    const encoded = this.#send(plan.steps, 0);
    const buffer = roomFor(encoded);
    const reply = buffer.subarray(0, this.#channel.receiveOrEnd(buffer));
    if (reply.length > 0) new Results(plan.steps.length).take(reply, encoded, plan.steps, 0);
  }

  /** Sends a plan of one slice; what is returned waits for its answers. @throws, then, SyscallError of what failed */
  begin(plan: Plan): () => Results {
    const encoded = this.#send(plan.steps, 0);
    return () => {
      const results = new Results(plan.steps.length);
      results.take(this.#reply(encoded), encoded, plan.steps, 0);
      return results;
    };
  }

  /** Gives back the memory that earlier messages took, all but what the next small one touches. */
  dropPages(): void {
    const plan = new Plan();
    const start = ARENA + PAGE;
    // Whatever comes of it: a seccomp filter that is loaded by now may refuse the call, and it is worth no container.
    plan.at("agent").probe({ name: "madvise", args: [start, ARENA + ARENA_SIZE - start, MADV_DONTNEED] });
    this.run(plan);
  }

  /** The answer to a vector that another process of this one's clone was sent: the child's view of it. */
  adoptReply(): void {
    this.#channel.receive(new Uint8Array(HEADER_SIZE));
  }

  #send(steps: readonly Step[], first: number): Encoded {
    const encoded = encode(steps, first);
    this.#sendEncoded(encoded);
    return encoded;
  }

  #sendEncoded({ far, message }: Encoded): void {
    if (far.length > 0) this.#load(far);
    this.#channel.send(message);
  }

  /** Has the agent read data to FAR, in pieces that fit a message. */
  #load(far: Uint8Array): void {
    for (let at = 0; at < far.length; at += MESSAGE_MAX) {
      const piece = far.subarray(at, at + MESSAGE_MAX);
      const plan = new Plan();
      plan.add({ name: "read", args: [new AgentSocket(), FAR + at, piece.length] });
      const encoded = this.#send(plan.steps, 0);
      this.#channel.send(piece);
      new Results(1).take(this.#reply(encoded), encoded, plan.steps, 0);
    }
  }

  #reply(encoded: Encoded): Uint8Array {
    const buffer = roomFor(encoded);
    return buffer.subarray(0, this.#channel.receive(buffer));
  }
}

/** Memory for a reply, with a byte to spare: one that is too long must not look like one that is not. */
function roomFor({ replyLength }: Encoded): Uint8Array {
  return new Uint8Array(replyLength + 1);
}

const MADV_DONTNEED = 4;
/** The largest pages that the architecture can have. */
const PAGE = process.arch === "arm64" ? 0x1_0000 : 0x1000;

/** Most calls in a message: what leaves half of it to their data. */
const SLICE = MESSAGE_MAX / 2 / FRAME_SIZE;

/** As many steps from `first` to before `bound` as a message takes, and their encoding. */
function sliceOf(steps: readonly Step[], first: number, bound: number, results: Results) {
  for (let most = SLICE; ; most >>= 1) {
    const end = Math.min(sliceEnd(steps, first, most), bound);
    const slice = first === 0 && end === steps.length ? steps : results.resolve(steps.slice(first, end), first);
    try {
      return { slice, encoded: encode(slice, first) };
    } catch (error) {
      if (!(error instanceof ReplyTooLong) || most <= SLICE_MIN) throw error;
    }
  }
}

/** Enough for any call and what it skips. */
const SLICE_MIN = 256;

/** Where the slice that starts at `first` ends: not between a call and what it skips, which is 255 calls at most. */
function sliceEnd(steps: readonly Step[], first: number, most: number): number {
  if (steps.length - first <= most) return steps.length;
  let end = first;
  let reach = first;
  for (let i = first; i < first + most; i++) {
    reach = Math.max(reach, i + 1 + (steps[i]?.tolerance?.skip ?? 0));
    if (reach === i + 1) end = reach;
  }
  return end;
}
