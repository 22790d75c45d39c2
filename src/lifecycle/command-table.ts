// The command line as data: every command with its arguments, flags and help. The parser, the help, the suggestions and
// the completion all read this table, and the types of a command's flags follow from it. To add a command, add its entry
// here; the compiler then asks for its module in command-modules.ts.
//
// Keys are in camel case, the command line has them in kebab case: consoleSocket is --console-socket. `peer` says whom
// we have a flag from when it is not runc, whose command line this otherwise is.

import type { FlagTable, Values } from "./flag.ts";

/** One command. */
export interface CommandEntry {
  readonly summary: string;
  /** How the positional arguments are written in the help, and how many there may be. */
  readonly args: { readonly usage: string; readonly min: number; readonly max: number };
  /** Flags end at the first positional argument: what follows belongs to another program. */
  readonly stopsAtFirstArgument?: true;
  /** The exit status of a failure, when it is not 1. */
  readonly failure?: number;
  /** What the message of a failure begins with. */
  readonly failurePrefix?: string;
  /** The first argument may be given as the path of a bundle, see bundle-argument.ts. */
  readonly takesBundle?: true;
  readonly flags: FlagTable;
}

const ID = { usage: "<container-id>", min: 1, max: 1 } as const;

const NOTHING = { usage: "", min: 0, max: 0 } as const;

/** Flags that every command which starts a process has. */
const PROCESS_FLAGS = {
  consoleSocket: { type: "string", value: "PATH", help: "send the terminal's master end to this AF_UNIX socket" },
  pidFile: { type: "string", value: "FILE", help: "write the process id to this file" },
  pidfdSocket: { type: "string", value: "PATH", help: "send a pidfd of the process to this AF_UNIX socket" },
  preserveFds: {
    type: "number",
    value: "N",
    default: 0,
    help: "pass N more file descriptors to the process, after stdio and $LISTEN_FDS",
  },
} as const satisfies FlagTable;

/** Flags that make a container: create and run. */
const CREATE_FLAGS = {
  bundle: { type: "string", alias: "b", value: "DIR", default: ".", help: "the bundle: the directory of config.json" },
  config: {
    type: "string",
    alias: "f",
    value: "FILE",
    peer: "crun",
    help: "read this file instead of the bundle's config.json",
  },
  ...PROCESS_FLAGS,
  noPivot: { type: "boolean", help: "do not use pivot_root (for a root file system on a ramdisk)" },
  noNewKeyring: { type: "boolean", help: "keep the caller's session keyring" },
  noSubreaper: { type: "boolean", hidden: true, help: "accepted and ignored: tsrun is never a subreaper" },
} as const satisfies FlagTable;

/** What checkpoint and restore have in common: CRIU's own options. */
const CRIU_FLAGS = {
  imagePath: { type: "string", value: "DIR", default: "checkpoint", help: "where CRIU's image files are" },
  workPath: { type: "string", value: "DIR", help: "where CRIU's work files and its log are (default: --image-path)" },
  tcpEstablished: { type: "boolean", help: "allow open TCP connections" },
  extUnixSk: { type: "boolean", help: "allow unix sockets that lead out of the container" },
  shellJob: { type: "boolean", help: "allow processes of the caller's session or terminal" },
  lazyPages: { type: "boolean", help: "move memory later, as it is needed (userfaultfd)" },
  fileLocks: { type: "boolean", help: "allow file locks" },
  manageCgroupsMode: {
    type: "string",
    value: "MODE",
    choices: ["soft", "full", "strict", "ignore"],
    help: "what CRIU restores of cgroups (default soft)",
  },
  emptyNs: { type: "list", value: "NAMESPACE", help: "make this namespace (network), but leave it empty" },
  autoDedup: { type: "boolean", help: "free memory images of what later ones hold" },
  networkLock: {
    type: "string",
    value: "METHOD",
    peer: "crun",
    choices: ["iptables", "nftables", "skip"],
    help: "how CRIU keeps packets away meanwhile (default iptables)",
  },
} as const satisfies FlagTable;

/** The commands, in the order of the help. */
export const COMMANDS = {
  create: {
    summary: "create a container, ready to be started",
    args: ID,
    failurePrefix: "tsrun create failed: ",
    takesBundle: true,
    flags: CREATE_FLAGS,
  },
  start: {
    summary: "run the process of a created container",
    args: ID,
    takesBundle: true,
    flags: {},
  },
  run: {
    summary: "create and start a container",
    args: ID,
    failurePrefix: "tsrun run failed: ",
    takesBundle: true,
    flags: {
      ...CREATE_FLAGS,
      detach: { type: "boolean", alias: "d", help: "do not wait for the process" },
      keep: { type: "boolean", help: "do not delete the container when its process has ended" },
    },
  },
  exec: {
    summary: "run one more process in a container",
    args: { usage: "<container-id> <command> [args...]  |  --process FILE <container-id>", min: 1, max: Infinity },
    stopsAtFirstArgument: true,
    failure: 255,
    failurePrefix: "exec failed: ",
    takesBundle: true,
    flags: {
      process: { type: "string", alias: "p", value: "FILE", help: "read the process from this JSON file" },
      detach: { type: "boolean", alias: "d", help: "do not wait for the process" },
      ...PROCESS_FLAGS,
      tty: { type: "boolean", alias: "t", help: "give the process a terminal" },
      cwd: { type: "string", value: "DIR", help: "working directory in the container" },
      env: { type: "list", alias: "e", value: "NAME=VALUE", help: "set an environment variable" },
      user: { type: "string", alias: "u", value: "UID[:GID]", help: "user and group" },
      additionalGids: { type: "list", alias: "g", value: "GID", help: "add a group" },
      processLabel: { type: "string", value: "LABEL", help: "SELinux label of the process" },
      apparmor: { type: "string", value: "PROFILE", help: "AppArmor profile of the process" },
      noNewPrivs: { type: "boolean", help: "set no_new_privs" },
      cap: { type: "list", alias: "c", value: "CAP", help: "add a capability" },
      cgroup: { type: "list", value: "[CONTROLLER,…:]PATH", help: "run in an existing cgroup under the container's" },
      ignorePaused: { type: "boolean", help: "exec even when the container is paused" },
      noSubreaper: { type: "boolean", hidden: true, help: "accepted and ignored: tsrun is never a subreaper" },
    },
  },
  state: {
    summary: "print the state of a container",
    args: ID,
    takesBundle: true,
    flags: {},
  },
  kill: {
    summary: "send a signal (default SIGTERM) to a container",
    args: { usage: "<container-id> [signal]", min: 1, max: 2 },
    takesBundle: true,
    flags: { all: { type: "boolean", alias: "a", help: "signal every process of the container" } },
  },
  delete: {
    summary: "remove a stopped container and all that it holds",
    args: ID,
    takesBundle: true,
    flags: {
      force: { type: "boolean", alias: "f", help: "kill it first if it runs; a missing container is no error" },
    },
  },
  pause: {
    summary: "stop all processes of a container until it is resumed",
    args: ID,
    takesBundle: true,
    flags: {},
  },
  resume: {
    summary: "let a paused container go on",
    args: ID,
    takesBundle: true,
    flags: {},
  },
  update: {
    summary: "change the limits of a container",
    args: ID,
    takesBundle: true,
    flags: {
      resources: {
        type: "string",
        alias: "r",
        value: "FILE",
        help: "read them from this file of JSON (linux.resources), or stdin (-)",
      },
      blkioWeight: { type: "string", value: "N", help: "weight of its block IO, 10 to 1000" },
      cpuPeriod: { type: "string", value: "USEC", help: "the time that a quota is for; 0: leave it" },
      cpuQuota: { type: "string", value: "USEC", help: "CPU time in a period; -1: no limit" },
      cpuBurst: { type: "string", value: "USEC", help: "CPU time that may be saved up" },
      cpuShare: { type: "string", value: "N", help: "CPU shares beside those of others" },
      cpuRtPeriod: { type: "string", value: "USEC", help: "the time that the realtime quota is for" },
      cpuRtRuntime: { type: "string", value: "USEC", help: "realtime CPU time in a period" },
      cpuIdle: { type: "string", value: "0|1", help: "1: run only when nobody else wants to" },
      cpusetCpus: { type: "string", value: "LIST", help: "processors to use: 0-2,7" },
      cpusetMems: { type: "string", value: "LIST", help: "memory nodes to use" },
      memory: { type: "string", value: "SIZE", help: "memory limit, 64m for example; -1: none" },
      memoryReservation: { type: "string", value: "SIZE", help: "memory that others should leave it" },
      memorySwap: { type: "string", value: "SIZE", help: "limit of memory and swap together; -1: none" },
      kernelMemory: { type: "string", value: "SIZE", hidden: true, help: "accepted and ignored" },
      kernelMemoryTcp: { type: "string", value: "SIZE", hidden: true, help: "accepted and ignored" },
      pidsLimit: { type: "string", value: "N", help: "most processes and threads; -1: no limit" },
      l3CacheSchema: { type: "string", value: "SCHEMA", help: "cache to use, by Intel RDT: L3:0=7f0;1=1f" },
      memBwSchema: { type: "string", value: "SCHEMA", help: "memory bandwidth, by Intel RDT: MB:0=20;1=70" },
    },
  },
  events: {
    summary: "print what a container uses, and when it lacks memory",
    args: ID,
    takesBundle: true,
    flags: {
      interval: { type: "string", value: "TIME", default: "5s", help: "the time between two statistics: 500ms, 1m" },
      stats: { type: "boolean", help: "print them once, and end" },
    },
  },
  list: {
    summary: "list the containers under --root",
    args: NOTHING,
    flags: {
      format: {
        type: "string",
        alias: "f",
        value: "FORMAT",
        default: "table",
        choices: ["table", "json"],
        help: "how to print them",
      },
      quiet: { type: "boolean", alias: "q", help: "print ids only" },
    },
  },
  ps: {
    summary: "list the processes of a container",
    args: { usage: "<container-id> [ps options]", min: 1, max: Infinity },
    stopsAtFirstArgument: true,
    takesBundle: true,
    flags: {
      format: {
        type: "string",
        alias: "f",
        value: "FORMAT",
        default: "table",
        choices: ["table", "json"],
        help: "how to print them",
      },
    },
  },
  checkpoint: {
    summary: "write a running container to files, by CRIU, and end it",
    args: ID,
    takesBundle: true,
    flags: {
      ...CRIU_FLAGS,
      parentPath: {
        type: "string",
        value: "DIR",
        help: "images of an earlier pre-dump, relative to --image-path: only what has changed is written",
      },
      leaveRunning: { type: "boolean", help: "let the container run on" },
      tcpSkipInFlight: { type: "boolean", help: "leave out TCP connections that are not yet accepted" },
      linkRemap: { type: "boolean", help: "allow open files that have lost their names" },
      statusFd: {
        type: "number",
        value: "FD",
        default: -1,
        help: "write a zero byte to this descriptor once lazy pages can be asked for",
      },
      pageServer: { type: "string", value: "ADDRESS:PORT", help: "send memory to this page server" },
      preDump: { type: "boolean", help: "write memory only, and let the container run on" },
    },
  },
  restore: {
    summary: "make a container of the files of a checkpoint, and have it go on",
    args: ID,
    takesBundle: true,
    flags: {
      ...CRIU_FLAGS,
      consoleSocket: { type: "string", value: "PATH", help: "send the terminal's master end to this AF_UNIX socket" },
      bundle: {
        type: "string",
        alias: "b",
        value: "DIR",
        default: ".",
        help: "the bundle: the directory of config.json",
      },
      detach: { type: "boolean", alias: "d", help: "do not wait for the process" },
      pidFile: { type: "string", value: "FILE", help: "write the process id to this file" },
      noSubreaper: { type: "boolean", hidden: true, help: "accepted and ignored: tsrun is never a subreaper" },
      noPivot: { type: "boolean", hidden: true, help: "accepted and ignored: CRIU enters the root file system" },
      tcpClose: { type: "boolean", peer: "crun", help: "restore TCP connections as closed" },
      lsmProfile: { type: "string", value: "TYPE:NAME", help: "restore with this AppArmor profile or SELinux label" },
      lsmMountContext: { type: "string", value: "CONTEXT", help: "restore file systems with this SELinux label" },
    },
  },
  spec: {
    summary: "write a sample config.json",
    args: NOTHING,
    flags: {
      bundle: { type: "string", alias: "b", value: "DIR", help: "write it in this directory" },
      rootless: { type: "boolean", help: "for a container that an ordinary user runs" },
    },
  },
  features: {
    summary: "print what this runtime supports",
    args: NOTHING,
    flags: {},
  },
  completion: {
    summary: "print a completion script: source <(tsrun completion bash)",
    args: { usage: "bash", min: 1, max: 1 },
    flags: {},
  },
  help: {
    summary: "explain a command",
    args: { usage: "[command]", min: 0, max: 1 },
    flags: {},
  },
} as const satisfies Record<string, CommandEntry>;

/** The options before the command. */
export const GLOBAL_FLAGS = {
  root: {
    type: "string",
    value: "DIR",
    takesEmpty: true, // runc's is the current directory then: a script's unset variable must not lead to all containers
    help: "where state is kept (default /run/tsrun or $XDG_RUNTIME_DIR/tsrun)",
  },
  log: { type: "string", value: "FILE", help: "append log lines to this file (default: stderr)" },
  logFormat: {
    type: "string",
    value: "FORMAT",
    default: "text",
    choices: ["text", "json"],
    help: "form of a log line",
  },
  logLevel: {
    type: "string",
    value: "LEVEL",
    peer: "crun",
    choices: ["error", "warning", "debug"],
    help: "how much to log",
  },
  debug: { type: "boolean", help: "log debug messages too" },
  systemdCgroup: { type: "boolean", help: "let systemd make the cgroup; cgroupsPath is slice:prefix:name" },
  cgroupManager: {
    type: "string",
    value: "NAME",
    peer: "crun",
    choices: ["cgroupfs", "systemd", "disabled"],
    help: "who makes cgroups",
  },
  rootless: {
    type: "string",
    value: "WHEN",
    default: "auto",
    choices: ["true", "false", "auto"],
    help: "ignore cgroup permission errors",
  },
} as const satisfies FlagTable;

/** The name of a command. */
export type CommandName = keyof typeof COMMANDS;

/** The flags of a command. */
export type FlagsOf<Name extends CommandName> = Values<(typeof COMMANDS)[Name]["flags"]>;

/** The positional arguments of a command: at least one where the table says so. */
export type PositionalsOf<Name extends CommandName> = (typeof COMMANDS)[Name]["args"]["min"] extends 1
  ? readonly [string, ...string[]]
  : readonly string[];
