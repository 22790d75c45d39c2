// The first instructions of dist/tsrun, before the engine's: they keep the caller's environment from it, and they do alone
// what needs no engine.
//
// The environment. Bun reads some 150 variables and every option of JavaScriptCore from it: BUN_BE_BUN=1 makes any
// compiled program the bun command, BUN_OPTIONS and BUN_INSPECT_PRELOAD run files, BUN_BYTECODE_ORDER_OUT and a dozen
// BUN_JSC_ options write them, BUN_ENABLE_CRASH_REPORTING sends. tsrun runs as root, and nobody can list them all; so what
// tsrun itself reads is kept and all else is gone. /proc/PID/environ still shows everything.
//
// Prepared commands. `create` leaves the plans of the small commands that may follow (state, start, kill, delete) beside
// the container's state, encoded as for the agent. Where the command line is one of the usual ones and there is such a plan, it
// is read and run here, by the agent's own loop, and the process ends with status 0 having been nothing but this page. At
// anything else (an option that is not in OPTIONS, no such file, a call of the plan that fails) the engine starts as if
// nothing had been. So plans first make sure of what they rely on and then act in a way that bears repetition:
// src/lifecycle/prepared.ts.

import { signalNumber } from "../../src/lifecycle/signals.ts";
import { type Architecture, syscallTable } from "../../src/linux/abi/syscalls.ts";
import { type Instruction, type Line, machineCode, plain } from "../../src/linux/agent/assembly.ts";
import { ARENA, FRAMES, HEADER_SIZE, MESSAGE } from "../../src/linux/agent/wire.ts";
import {
  GIVEN,
  PREPARED,
  ROOM,
  SLOT_BITS,
  SLOT_SIZE,
  SLOTS,
  VERSION,
  VERSION_OFFSET,
} from "../../src/linux/prepared-file.ts";
import { ARENA_REGISTER, FRAME_REGISTER, MACHINES, type Machine, type Register } from "./machine.ts";

/** What tsrun and the programs that it calls are told by the environment. One without "=" stands for all that begin so. */
export const KEPT = [
  "PATH=", // of ps, criu, newuidmap
  "USER=",
  "XDG_RUNTIME_DIR=",
  "NOTIFY_SOCKET=",
  "LISTEN_FDS=",
  "LISTEN_FDNAMES=",
  "LISTEN_PID=",
  "DBUS_SESSION_BUS_ADDRESS=", // libsystemd's
  "DBUS_SYSTEM_BUS_ADDRESS=",
] as const;

/** With this variable it takes more to know the default of --root: globals.ts. */
const DECIDES_ROOT: string = "XDG_RUNTIME_DIR=";
const DEFAULT_ROOT = "/run/tsrun";

/** What a word of a table means; a command means its slot. Never 0, which ends a table. */
const KEEP = 1;
const KEEP_AND_ASK = 2;
const ROOT = 100;
const TAKES_ANY = 101;
const TAKES_FORMAT = 102;
const PLAIN = 103;
/** The options and commands that callers use; each may come as it stands here and in no other way. */
const OPTIONS: Table = [
  ["--root", ROOT],
  ["--log", TAKES_ANY],
  ["--log-format", TAKES_FORMAT],
  ["--log-format=json", PLAIN],
  ["--log-format=text", PLAIN],
  ["--systemd-cgroup", PLAIN],
  ["state", SLOTS.state],
  ["start", SLOTS.start],
  ["kill", SLOTS.kill],
  ["delete", SLOTS.delete],
];
const FORMATS: Table = [
  ["json", PLAIN],
  ["text", PLAIN],
]; // prettier-ignore
const FORCE: Table = [
  ["--force", PLAIN],
  ["-f", PLAIN],
]; // prettier-ignore
const SIGNALS: Table = ["KILL", "TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "STOP", "CONT"].flatMap(
  (name) => {
    const number = signalNumber(name);
    return [`${number}`, name, `SIG${name}`].map((text) => [text, number] as const);
  },
);

type Table = readonly (readonly [word: string, meaning: number])[];

/** Flags of open(2) and mmap(2), of which some differ between architectures. */
const AT_FDCWD = -100;
const O_RDONLY_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const O_DIRECTORY = { x64: 0o200000, arm64: 0o40000 } as const;
const O_NOFOLLOW = { x64: 0o400000, arm64: 0o100000 } as const;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_FIXED_NOREPLACE = 0x10_0022;

/** The code and what it points to; `entry`, relative to its start, is where the engine begins. */
export function entryCode(arch: Architecture, entry: number, kept: readonly string[] = KEPT): Uint8Array {
  return machineCode([...entryProgram(arch, entry), ...tables(kept)]);
}

/** The instructions, as a listing. */
export function entryProgram(arch: Architecture, entry: number): readonly Line[] {
  const m = MACHINES[arch];
  return [
    ...m.keepLoaders(),
    ...guardEnvironment(m),
    ...readCommandLine(m),
    ...runPrepared(m, arch),
    "engine:",
    ...m.restoreLoaders(),
    ...m.leaveTo(entry),
  ];
}

/** Moves the variables that are kept to the front. Leaves in k2 the default of --root, or 0 where that is not so simple. */
function guardEnvironment(m: Machine): Line[] {
  const [read, write, variable, ask] = ["k2", "k3", "k4", "k1"] as const;
  return [
    ...m.environmentTo(),
    ...m.copy(write, read),
    ...m.set(ask, 0),

    "variable:",
    ...m.load(variable, read, 0),
    ...m.add(read, 8),
    ...m.ifZero(variable, "variables end"),
    ...lookUp(m, "kept", variable, "variable", { prefix: true }),
    ...m.store(variable, write, 0),
    ...m.add(write, 8),
    ...m.ifEqual("t0", KEEP, "variable"),
    ...m.set(ask, 1),
    ...m.jump("variable"),

    "variables end:",
    ...m.store(variable, write, 0),
    ...m.set("k2", 0),
    ...m.ifNotZero(ask, "root known"),
    ...m.addressOf("k2", "default root"),
    "root known:",
  ];
}

/** Leaves in k2 the root, in k3 the container's id, in k4 the signal and in k5 the slot of a command that may be prepared. */
function readCommandLine(m: Machine): Line[] {
  const [next, root, id, signal, slot] = ["k0", "k2", "k3", "k4", "k5"] as const;
  const word = "a0";
  const take = (orElse: string) => [...m.load(word, next, 0), ...m.add(next, 8), ...m.ifZero(word, orElse)];
  return [
    ...m.argumentsTo(),
    ...m.set(id, 0),
    ...m.set(signal, 0),

    "option:",
    ...take("engine"),
    ...lookUp(m, "options", word, "engine"),
    ...m.ifEqual("t0", PLAIN, "option"),
    ...m.ifEqual("t0", ROOT, "root"),
    ...m.ifEqual("t0", TAKES_ANY, "value"),
    ...m.ifEqual("t0", TAKES_FORMAT, "format"),
    ...m.copy(slot, "t0"),
    ...m.jump("word"),

    "root:",
    ...take("engine"),
    ...m.copy(root, word),
    ...m.jump("option"),

    "value:",
    ...take("engine"),
    ...m.jump("option"),

    "format:",
    ...take("engine"),
    ...lookUp(m, "formats", word, "engine"),
    ...m.jump("option"),

    "word:",
    ...take("words end"),
    ...m.loadByte("t0", word),
    ...m.ifZero("t0", "engine"),
    ...m.ifEqual("t0", "-".charCodeAt(0), "dash"),
    ...m.ifNotZero(id, "second"),
    ...m.copy(id, word),
    ...m.jump("word"),

    "dash:",
    ...m.ifNotEqual(slot, SLOTS.delete, "engine"),
    ...lookUp(m, "force", word, "engine"),
    ...m.set(slot, SLOTS.forceDelete),
    ...m.jump("word"),

    "second:",
    ...m.ifNotEqual(slot, SLOTS.kill, "engine"),
    ...m.ifNotZero(signal, "engine"),
    ...lookUp(m, "signals", word, "engine"),
    ...m.copy(signal, "t0"),
    ...m.jump("word"),

    "words end:",
    ...m.ifZero(id, "engine"),
    ...m.ifZero(root, "engine"),
    ...m.ifNotZero(signal, "signal known"),
    ...m.set(signal, signalNumber("TERM")),
    "signal known:",
    // An id is one name, and what is called <id>~ is being removed: container.ts.
    ...m.copy("a1", id),
    "letter:",
    ...m.loadByte("t0", "a1"),
    ...m.add("a1", 1),
    ...m.ifEqual("t0", "/".charCodeAt(0), "engine"),
    ...m.ifEqual("t0", "~".charCodeAt(0), "engine"),
    ...m.ifNotZero("t0", "letter"),
  ];
}

/** Reads the plan and runs it. Ends the process where all of it succeeds. */
function runPrepared(m: Machine, arch: Architecture): Line[] {
  const calls = syscallTable(arch);
  const [root, directory, signal, slot, file] = ["k2", "k3", "k4", "k5", "k2"] as const;
  const open = (path: Register, flags: number, orElse: string) => [
    ...m.copy("a1", path),
    ...m.set("a2", flags | O_RDONLY_CLOEXEC),
    ...m.set("a3", 0),
    ...m.syscall(calls.openat),
    ...m.ifLess("result", 0, orElse),
  ];
  return [
    ...m.set("a0", AT_FDCWD),
    ...open(root, O_PATH | O_DIRECTORY[arch], "engine"),
    ...m.copy("a0", "result"),
    ...open(directory, O_DIRECTORY[arch] | O_NOFOLLOW[arch], "engine"),
    ...m.copy(directory, "result"),
    ...m.copy("a0", "result"),
    ...m.addressOf("k0", "prepared"),
    ...open("k0", O_NOFOLLOW[arch], "close"),
    ...m.copy(file, "result"),

    ...m.set("a0", ARENA),
    ...m.set("a1", ROOM),
    ...m.set("a2", PROT_READ_WRITE),
    ...m.set("a3", MAP_PRIVATE_ANONYMOUS_FIXED_NOREPLACE),
    ...m.set("a4", -1),
    ...m.set("a5", 0),
    ...m.syscall(calls.mmap),
    ...m.ifLess("result", 0, "close"),
    ...m.set(ARENA_REGISTER, ARENA),

    ...m.copy("a0", file),
    ...m.set("a1", MESSAGE),
    ...m.set("a2", SLOT_SIZE),
    ...m.shiftLeft(slot, SLOT_BITS),
    ...m.copy("a3", slot),
    ...m.syscall(calls.pread64),
    ...m.ifLess("result", HEADER_SIZE, "unmap"),
    ...m.load("a0", ARENA_REGISTER, MESSAGE - ARENA + VERSION_OFFSET),
    ...m.set("a1", VERSION),
    ...m.ifDifferent("a0", "a1", "unmap"),

    ...m.store(directory, ARENA_REGISTER, GIVEN.directory),
    ...m.store(signal, ARENA_REGISTER, GIVEN.signal),
    ...m.set(FRAME_REGISTER, FRAMES),
    ...m.frames(),

    "reply:", // all of the frames ran
    ...m.set("a0", 0),
    ...m.syscall(calls.exit_group),

    "stop:",
    "adopt:",
    "unmap:",
    ...m.set("a0", ARENA),
    ...m.set("a1", ROOM),
    ...m.syscall(calls.munmap),
    "close:", // and with it give the lock back
    ...m.copy("a0", directory),
    ...m.syscall(calls.close),
  ];
}

/** Sets t0 to what `table` says of a word, or of the first of its names that the word begins with; k registers are kept. */
function lookUp(m: Machine, table: string, word: Register, orElse: string, options = { prefix: false }): Line[] {
  const [name, letter, ofName, ofWord] = ["a1", "a2", "a3", "a4"] as const;
  const at = (place: string) => `${table}: ${place}`;
  return [
    ...m.addressOf(name, table),
    `${at("name")}:`,
    ...m.loadByte("t0", name),
    ...m.ifZero("t0", orElse),
    ...m.add(name, 1),
    ...m.copy(letter, word),

    `${at("letter")}:`,
    ...m.loadByte(ofName, name),
    ...m.loadByte(ofWord, letter),
    ...m.add(name, 1),
    ...m.add(letter, 1),
    ...(options.prefix ? m.ifZero(ofName, at("found")) : []),
    ...m.ifDifferent(ofName, ofWord, at("next")),
    ...m.ifNotZero(ofName, at("letter")),
    ...m.jump(at("found")),

    `${at("next")}:`, // behind the name's NUL
    ...m.ifZero(ofName, at("name")),
    ...m.loadByte(ofName, name),
    ...m.add(name, 1),
    ...m.jump(at("next")),
    `${at("found")}:`,
  ];
}

/** What the code points to, behind it. */
export function tables(kept: readonly string[]): Line[] {
  const variables: Table = kept.map((name) => [name, name === DECIDES_ROOT ? KEEP_AND_ASK : KEEP]);
  return [
    ...table("kept", variables),
    ...table("options", OPTIONS),
    ...table("formats", FORMATS),
    ...table("force", FORCE),
    ...table("signals", SIGNALS),
    "default root:",
    text(DEFAULT_ROOT),
    "prepared:",
    text(PREPARED),
  ];
}

/** For each word what it means, a byte, and its letters, ended by a NUL; at the end a NUL alone. */
function table(name: string, entries: Table): Line[] {
  const bytes = entries.flatMap(([word, meaning]) => [meaning, ...Buffer.from(`${word}\0`)]);
  return [`${name}:`, data([...bytes, 0])];
}

function text(value: string): Instruction {
  return data([...Buffer.from(`${value}\0`)]);
}

function data(bytes: readonly number[]): Instruction {
  return plain(bytes, ".byte");
}
