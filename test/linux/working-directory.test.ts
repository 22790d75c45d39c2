import { describe, expect, it } from "vitest";
import { AgentKernel } from "../../src/linux/kernel.ts";
import { Plan } from "../../src/linux/plan.ts";
import { checkCwd, planCwdAsRoot, planCwdAsUser } from "../../src/linux/working-directory.ts";
import { AgentModel, type Script } from "./agent-model.ts";
import { process } from "./sample.ts";

const EACCES = 13;
const ESRCH = 3;

/** Who may enter the directory, and where getcwd(2) then says the process is. */
function enter(root: boolean, user: boolean, where = "/work"): { tries: string[]; check: () => void } {
  let changed = false;
  const tries: string[] = [];
  const script: Script = ({ name, args, memory }) => {
    if (name === "getpgid") return args[0] === 0n ? 1 : -ESRCH;
    if (name === "setresuid") changed = true;
    if (name === "getcwd") memory.bytes(args[0] ?? 0n, where.length).set(new TextEncoder().encode(where));
    if (name !== "chdir") return 0;
    tries.push(changed ? "user" : "root");
    return (changed ? user : root) ? 0 : -EACCES;
  };
  const plan = new Plan();
  const cwd = planCwdAsRoot(plan, process({ cwd: "/work" }));
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

  it("must be inside the root", () => {
    expect(enter(true, true).check).not.toThrow();
    expect(enter(true, true, "(unreachable)/etc").check).toThrow(
      "process.cwd: the directory is outside the container's root file system",
    );
  });
});
