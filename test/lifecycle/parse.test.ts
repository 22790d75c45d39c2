// The machine's path of the command line: what each caller really sends (REFERENCE §1.3), and every form of a flag.

import { describe, expect, test } from "vitest";
import { COMMANDS, type CommandEntry, type CommandName, GLOBAL_FLAGS } from "../../src/lifecycle/command-table.ts";
import { camel, kebab } from "../../src/lifecycle/flag.ts";
import { GLOBAL_GRAMMAR, parseWords, withDefaults } from "../../src/lifecycle/parse.ts";
import { UsageError } from "../../src/lifecycle/usage-error.ts";

/** Parses a whole command line, as main does. */
function parse(line: string) {
  const globals = parseWords(line.split(" "), GLOBAL_GRAMMAR);
  const [name = "", ...words] = globals.args;
  const command = name as CommandName;
  const entry: CommandEntry = COMMANDS[command];
  const { values, args } = parseWords(words, { ...entry, help: command });
  return { globals: globals.values, name, flags: values, args };
}

function thrown(run: () => unknown): UsageError {
  try {
    run();
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const shim = { root: "/run/r", log: "/b/log.json", logFormat: "json" };
const SHIM = "--root /run/r --log /b/log.json --log-format json";

describe("the invocations of each caller", () => {
  test.each([
    [
      "containerd's create",
      `${SHIM} --systemd-cgroup create --bundle /b --pid-file /b/init.pid --console-socket /s --no-pivot --no-new-keyring c`,
      {
        globals: { ...shim, systemdCgroup: true },
        name: "create",
        flags: { bundle: "/b", pidFile: "/b/init.pid", consoleSocket: "/s", noPivot: true, noNewKeyring: true },
        args: ["c"],
      },
    ],
    ["containerd's start", `${SHIM} start c`, { globals: shim, name: "start", flags: {}, args: ["c"] }],
    [
      "containerd's exec",
      `${SHIM} exec --process /p --console-socket /s --detach --pid-file /b/x.pid c`,
      {
        globals: shim,
        name: "exec",
        flags: { process: "/p", consoleSocket: "/s", detach: true, pidFile: "/b/x.pid" },
        args: ["c"],
      },
    ],
    [
      "containerd's kill",
      `${SHIM} kill --all c 9`,
      { globals: shim, name: "kill", flags: { all: true }, args: ["c", "9"] },
    ],
    ["containerd's delete", `${SHIM} delete --force c`, { name: "delete", flags: { force: true }, args: ["c"] }],
    ["containerd's ps", `${SHIM} ps --format json c`, { name: "ps", flags: { format: "json" }, args: ["c"] }],
    [
      "conmon's create, with --systemd-cgroup before all others and --root joined",
      "--systemd-cgroup --root=/r --log-format=json --log /l create --bundle /b --pid-file /p --no-pivot --preserve-fds 2 c",
      {
        globals: { systemdCgroup: true, root: "/r", logFormat: "json", log: "/l" },
        name: "create",
        flags: { bundle: "/b", pidFile: "/p", noPivot: true, preserveFds: 2 },
        args: ["c"],
      },
    ],
    [
      "conmon's exec",
      "--log-format=json --log /l exec --pid-file /p --process /s --detach --preserve-fds 1 c",
      { name: "exec", flags: { pidFile: "/p", process: "/s", detach: true, preserveFds: 1 }, args: ["c"] },
    ],
    [
      "Podman without cgroups",
      "--cgroup-manager disabled --log-format=json --log /l start c",
      { globals: { cgroupManager: "disabled", logFormat: "json", log: "/l" }, name: "start", args: ["c"] },
    ],
    ["Podman's kill", "kill --all c 15", { name: "kill", flags: { all: true }, args: ["c", "15"] }],
    [
      "CRI-O's kill",
      "--root /r kill -a c KILL",
      { globals: { root: "/r" }, flags: { all: true }, args: ["c", "KILL"] },
    ],
    ["CRI-O's exec", "--root /r exec --process /f c", { name: "exec", flags: { process: "/f" }, args: ["c"] }],
    [
      "conmon-rs, all joined",
      "--root=/r --log-level=debug create --bundle=/b --pid-file=/p c",
      { globals: { root: "/r", logLevel: "debug" }, flags: { bundle: "/b", pidFile: "/p" }, args: ["c"] },
    ],
    ["Buildah's kill", "kill name SIGKILL", { name: "kill", flags: {}, args: ["name", "SIGKILL"] }],
    [
      "BuildKit's run",
      "run --bundle /b --no-pivot --keep id",
      { name: "run", flags: { bundle: "/b", noPivot: true, keep: true }, args: ["id"] },
    ],
    [
      "go-runc's single dash",
      "run -no-subreaper -bundle /b c",
      { flags: { noSubreaper: true, bundle: "/b" }, args: ["c"] },
    ],
    ["Docker's features", "features", { globals: {}, name: "features", flags: {}, args: [] }],
  ])("%s", (_, line, expected) => {
    expect(parse(line)).toMatchObject(expected);
  });
});

describe("forms of a flag", () => {
  test.each([
    ["a value as the next word", "create --bundle /b c", { bundle: "/b" }, ["c"]],
    ["a value after =", "create --bundle=/b=c c", { bundle: "/b=c" }, ["c"]],
    ["an empty value", "create --bundle= c", { bundle: "" }, ["c"]],
    ["a short flag", "create -b /b c", { bundle: "/b" }, ["c"]],
    ["a short flag with its value attached", "create -b/b c", { bundle: "/b" }, ["c"]],
    ["a slip that is a short flag with its value", "create -bundel c", { bundle: "undel" }, ["c"]],
    ["a short flag with =", "create -b=/b c", { bundle: "/b" }, ["c"]],
    ["short flags together", "exec -dtu1:2 c", { detach: true, tty: true, user: "1:2" }, ["c"]],
    ["a value that looks like a flag", "create --bundle --no-pivot c", { bundle: "--no-pivot" }, ["c"]],
    ["a boolean switched off", "create --no-pivot=false c", { noPivot: false }, ["c"]],
    ["a boolean in Go's letters", "create --no-pivot=T c", { noPivot: true }, ["c"]],
    ["the last of two values", "create -b /a -b /b c", { bundle: "/b" }, ["c"]],
    ["a list, in order", "exec -e A=1 --env B=2 c", { env: ["A=1", "B=2"] }, ["c"]],
    ["a flag after the id", "delete c --force", { force: true }, ["c"]],
    ["no flags after --", "delete -- --force", {}, ["--force"]],
    ["a signal with a dash", "kill c -9", {}, ["c", "-9"]],
    ["the command of an exec is not ours", "exec -t c ls -l --env X", { tty: true }, ["c", "ls", "-l", "--env", "X"]],
    ["a -- in the command of an exec", "exec c env -- x", {}, ["c", "env", "--", "x"]],
    [
      "the options of ps are not ours",
      "ps -f table c -ef --format x",
      { format: "table" },
      ["c", "-ef", "--format", "x"],
    ],
  ])("%s", (_, line, flags, args) => {
    const parsed = parse(line);
    expect(parsed.flags).toEqual(flags);
    expect(parsed.args).toEqual(args);
  });

  test("--help ends the parsing, whatever follows", () => {
    expect(parseWords(["--help", "--nonsense"], { ...COMMANDS.create, help: "create" }).help).toBe(true);
    expect(parseWords(["-h"], { ...COMMANDS.exec, help: "exec" }).help).toBe(true);
    expect(parseWords(["--help=false", "c"], { ...COMMANDS.start, help: "start" })).toMatchObject({ help: false });
  });
});

describe("mistakes", () => {
  test.each([
    ["create --bundel /b c", "flag provided but not defined: --bundel", "did you mean --bundle?"],
    ["create --pidfile /p c", "flag provided but not defined: --pidfile", "did you mean --pid-file?"],
    ["create --pidFile /p c", "flag provided but not defined: --pidFile", "did you mean --pid-file?"],
    ["state --zzzzzz c", "flag provided but not defined: --zzzzzz", undefined],
    ["create --__proto__ c", "flag provided but not defined: --__proto__", undefined],
    ["create --constructor c", "flag provided but not defined: --constructor", undefined],
    ["exec -xt c", "flag provided but not defined: -xt", "did you mean --tty?"],
    ["create --bundle", "flag needs an argument: --bundle", undefined],
    ["create -b", "flag needs an argument: --bundle", undefined],
    ["--root", "flag needs an argument: --root", undefined],
    ["exec --console-socket", "flag needs an argument: --console-socket", undefined],
    ["list --quiet=x", 'invalid boolean value "x" for --quiet', undefined],
    ["list --format xml", "invalid format: xml (must be table or json)", undefined],
    ["--log-format xml list", "invalid log-format: xml (must be text or json)", undefined],
    ["create --preserve-fds x c", 'invalid value "x" for flag --preserve-fds: not a whole number', undefined],
    ["create --preserve-fds -1 c", 'invalid value "-1" for flag --preserve-fds: not a whole number', undefined],
    ["create --preserve-fds 99999999999999999999 c", /not a whole number/, undefined],
  ])("%s", (line, message, hint) => {
    const error = thrown(() => parse(line));
    expect(error.message).toMatch(message);
    expect(error.hint).toBe(hint);
    expect(error.help).toBe(line.startsWith("--") ? "tsrun" : line.split(" ")[0]);
  });

  test("a hidden flag is accepted and never suggested", () => {
    expect(parse("create --no-subreaper c").flags).toEqual({ noSubreaper: true });
    expect(thrown(() => parse("create --no-subreapr c")).hint).toBeUndefined();
  });
});

describe("the table", () => {
  const all = Object.entries(COMMANDS as Record<string, CommandEntry>);

  test.each(all)("%s has no two flags of one name or letter, and every name survives the command line", (_, entry) => {
    const keys = Object.keys(entry.flags);
    const letters = Object.values(entry.flags).flatMap((flag) => flag.alias ?? []);
    expect(new Set(letters).size).toBe(letters.length);
    expect(letters.every((letter) => letter.length === 1 && letter !== "h")).toBe(true);
    expect(keys.map(kebab).map(camel)).toEqual(keys);
    expect(keys.map(kebab).join("")).toMatch(/^[a-z0-9-]*$/);
  });

  test("defaults are filled in: false, an empty list, nothing, or what the table says", () => {
    expect(withDefaults({}, COMMANDS.exec.flags)).toMatchObject({ detach: false, env: [], preserveFds: 0 });
    expect(withDefaults({}, COMMANDS.exec.flags)).not.toHaveProperty("process");
    expect(withDefaults({ format: "json" }, COMMANDS.list.flags)).toEqual({ format: "json", quiet: false });
  });

  test("an empty value is as none, as Go has it, but for --root", () => {
    const given = parse("--root= --log= --log-format= exec --process= --user= -e= --pid-file= c");
    expect(withDefaults(given.flags, COMMANDS.exec.flags)).toEqual({
      ...withDefaults({}, COMMANDS.exec.flags),
      env: [""],
    });
    expect(withDefaults(given.globals, GLOBAL_FLAGS)).toEqual({ ...withDefaults({}, GLOBAL_FLAGS), root: "" });
    expect(withDefaults({ bundle: "" }, COMMANDS.run.flags)).toMatchObject({ bundle: "." });
  });
});
