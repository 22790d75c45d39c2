import { describe, expect, it } from "vitest";
import { STAT_MODE, STATX_MODE } from "../../src/linux/abi/stat.ts";
import { AgentKernel } from "../../src/linux/kernel.ts";
import { ExecutableError, planLookup } from "../../src/linux/lookup.ts";
import { type Answers, Out, Plan, type Result } from "../../src/linux/plan.ts";
import { AgentModel, type Script } from "./agent-model.ts";
import { process } from "./sample.ts";

const FILE = 0o100755;
const DIRECTORY = 0o040755;
const ENOENT = -2;
const EACCES = -13;

/** What is at a path: nothing, or its mode and what access(2) says. */
type There = Readonly<Record<string, readonly [mode: number, access: number]>>;

/** The path that is found, or the error, with the paths that were looked at. */
function look(program: string, env: readonly string[], there: There): { found: () => string; asked: string[] } {
  const plan = new Plan();
  const answer = planLookup(plan, process({ args: [program] }), env, false);
  const values = new Map<number, number>();
  const modes = new Map<Out, number>();
  const asked: string[] = [];
  for (const [i, { call, tolerance }] of plan.steps.entries()) {
    expect(tolerance?.errno).toBe("any");
    const path = String(call.args[1]);
    const [mode, access] = there[path] ?? [0, ENOENT];
    values.set(i, call.name === "statx" ? (mode === 0 ? ENOENT : 0) : access);
    for (const arg of call.args) if (arg instanceof Out) modes.set(arg, mode);
    if (call.name === "statx") asked.push(path);
  }
  const answers: Answers = {
    value: ({ index }: Result) => values.get(index) ?? 0,
    bytes: (out) => {
      const bytes = new Uint8Array(256);
      new DataView(bytes.buffer).setUint16(28, modes.get(out) ?? 0, true);
      return bytes;
    },
  };
  return { found: () => answer(answers), asked };
}

/** The path found behind a filter that refuses statx(2), faccessat2(2) or both with an errno; all that is there is in `there`. */
function lookFiltered(program: string, refused: readonly string[], errno: number, there: There): string {
  const plan = new Plan();
  const found = planLookup(plan, process({ args: [program] }), ["PATH=/a:/b"], true);
  const script: Script = ({ name, args, memory }) => {
    if (refused.includes(name)) return -errno;
    const [mode, access] = there[memory.string(args[1] ?? 0n)] ?? [0, ENOENT];
    if (name === "faccessat2" || mode === 0) return access;
    const [out = 0n, offset] = name === "statx" ? [args[4], STATX_MODE] : [args[2], STAT_MODE];
    memory.bytes(out + BigInt(offset), 2).set([mode & 0xff, mode >> 8]);
    return 0;
  };
  return found(new AgentKernel(new AgentModel(script)).run(plan));
}

describe.each([[[]], [["statx"]], [["faccessat2"]], [["statx", "faccessat2"]]])(
  "Behind a filter that refuses %j",
  (refused) => {
    it.each([1, 38])("with errno %i, what is there is found all the same", (errno) => {
      const there: There = { "/a/x": [DIRECTORY, 0], "/a/y": [0o100644, EACCES], "/b/x": [FILE, 0], "/b/y": [FILE, 0] };
      const look = (program: string) => () => lookFiltered(program, refused, errno, there);
      expect(look("x")()).toBe("/b/x");
      expect(look("y")()).toBe("/b/y");
      expect(look("/b/x")()).toBe("/b/x");
      expect(look("/a/x")).toThrow("is a directory");
      expect(look("/a/y")).toThrow("permission denied");
      expect(look("/a/z")).toThrow("no such file or directory");
      expect(look("z")).toThrow("executable file not found in $PATH");
    });
  },
);

it("A program that a filter lets be asked about may be denied, whatever its mode", () => {
  expect(() => lookFiltered("/a/x", ["statx"], 1, { "/a/x": [FILE, EACCES] })).toThrow("permission denied");
});

describe("A name", () => {
  it("is looked for along PATH, the first place that has a program wins", () => {
    const { found, asked } = look("sh", ["X=1", "PATH=/a:/b:/c"], { "/b/sh": [FILE, 0], "/c/sh": [FILE, 0] });
    expect(asked).toEqual(["/a/sh", "/b/sh", "/c/sh"]);
    expect(found()).toBe("/b/sh");
  });

  it("is looked for along the last PATH there is, and the usual one where there is none", () => {
    expect(look("sh", ["PATH=/a", "PATH=/b"], {}).asked).toEqual(["/b/sh"]);
    expect(look("sh", ["XPATH=/x"], {}).asked).toContain("/usr/local/sbin/sh");
  });

  it("is looked for in the working directory where PATH has an empty place", () => {
    expect(look("sh", ["PATH=:/b:"], {}).asked).toEqual(["./sh", "/b/sh", "./sh"]);
  });

  it("passes over directories and what may not be executed", () => {
    const there: There = { "/a/x": [DIRECTORY, 0], "/b/x": [FILE, EACCES], "/c/x": [FILE, 0] };
    expect(look("x", ["PATH=/a:/b:/c"], there).found()).toBe("/c/x");
  });

  it("that is nowhere is told so in the words that engines look for", () => {
    const { found } = look("sh", ["PATH=/a"], {});
    expect(found).toThrow(ExecutableError);
    expect(found).toThrow('exec: "sh": executable file not found in $PATH');
    expect(look("", ["PATH=/a"], {}).found).toThrow('exec: "": executable file not found in $PATH');
  });

  it("that may not be executed is permission denied, and a directory is a directory", () => {
    expect(look("x", ["PATH=/a:/b"], { "/a/x": [DIRECTORY, 0], "/b/x": [FILE, EACCES] }).found).toThrow(
      'exec: "x": permission denied',
    );
    expect(look("x", ["PATH=/a"], { "/a/x": [DIRECTORY, 0] }).found).toThrow('exec: "x": is a directory');
  });

  it("is looked for in 64 places at most", () => {
    const path = Array.from({ length: 100 }, (_, i) => `/p${i}`).join(":");
    expect(look("sh", [`PATH=${path}`], {}).asked).toHaveLength(64);
  });
});

describe("A path", () => {
  it("is taken as it is, PATH or not", () => {
    const { found, asked } = look("./bin/x", ["PATH=/a"], { "./bin/x": [FILE, 0] });
    expect(asked).toEqual(["./bin/x"]);
    expect(found()).toBe("./bin/x");
  });

  it("that leads nowhere is told so in the words that engines look for", () => {
    expect(look("/x", [], {}).found).toThrow('exec: "/x": stat /x: no such file or directory');
  });
});
