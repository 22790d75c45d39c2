import { describe, expect, it } from "vitest";
import { AgentKernel } from "../../src/linux/kernel.ts";
import { Plan } from "../../src/linux/plan.ts";
import { checkCwd, planCwdAsRoot, planCwdAsUser } from "../../src/linux/working-directory.ts";
import { AgentModel, type Script } from "./agent-model.ts";
import { process } from "./sample.ts";

const EACCES = 13;
const ESRCH = 3;

/** Who may enter the directory, and where getcwd(2) then says the process is: below the root as long as nobody has. */
function enter(root: boolean, user: boolean, where = "/work", paused = false): { tries: string[]; check: () => void } {
  let changed = false;
  let entered = false;
  const tries: string[] = [];
  const script: Script = ({ name, args, memory }) => {
    if (name === "getpgid") return args[0] === 0n ? 1 : -ESRCH;
    if (name === "setresuid") changed = true;
    if (name === "getcwd") {
      const text = entered ? where : "/";
      memory.bytes(args[0] ?? 0n, text.length).set(new TextEncoder().encode(text));
    }
    if (name !== "chdir") return 0;
    tries.push(changed ? "user" : "root");
    entered ||= changed ? user : root;
    return (changed ? user : root) ? 0 : -EACCES;
  };
  const plan = new Plan();
  const cwd = planCwdAsRoot(plan, process({ cwd: "/work" }));
  if (paused) plan.pause("hand a seccomp listener on", () => {});
  plan.add({ name: "setresuid", args: [1, 1, 1] });
  planCwdAsUser(plan, process({ cwd: "/work" }), cwd);
  const answers = new AgentKernel(new AgentModel(script)).run(plan);
  return { tries, check: () => checkCwd(cwd, answers) };
}

describe("The working directory", () => {
  it("is entered as root, who may enter what the user may not", () => {
    expect(enter(true, false).tries).toEqual(["root"]);
  });

  it("is entered as the user where root is denied", () => {
    expect(enter(false, true).tries).toEqual(["root", "user"]);
  });

  it("that neither may enter is an error", () => {
    expect(() => enter(false, false)).toThrow("process.cwd: chdir(/work): EACCES");
  });

  it.each([
    [true, false],
    [true, true],
    [false, false],
    [false, true],
  ])("must be inside the root, where root may enter: %s, and a pause lies between: %s", (root, paused) => {
    expect(enter(root, true, "/work", paused).check).not.toThrow();
    expect(enter(root, true, "(unreachable)/etc", paused).check).toThrow(
      "process.cwd: the directory is outside the container's root file system",
    );
  });
});
