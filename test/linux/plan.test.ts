import { expect, it } from "vitest";
import { syscall } from "../../src/linux/calls.ts";
import { Plan } from "../../src/linux/plan.ts";

const call = syscall("getpid");
const tolerances = (plan: Plan): unknown[] => plan.steps.map(({ tolerance }) => tolerance);

it("a call carries the field that was named last, and its result its place", () => {
  const plan = new Plan();
  const first = plan.at("hostname").add(call);
  const second = plan.add(call);
  plan.at("root.path").add(call);
  expect(plan.steps.map(({ field }) => field)).toEqual(["hostname", "hostname", "root.path"]);
  expect([first.index, second.index]).toEqual([0, 1]);
  expect(tolerances(plan)).toEqual([undefined, undefined, undefined]);
});

it("what follows from a success is skipped on the tolerated errno", () => {
  const plan = new Plan();
  plan.unless("ENOENT", call, () => {
    plan.add(call);
    plan.add(call);
  });
  plan.add(call);
  expect(plan.steps[0]?.tolerance).toEqual({ errno: "ENOENT", skip: 2, skipOnSuccess: false });
});

it("what is done instead is skipped on success", () => {
  const plan = new Plan();
  plan.orElse("EEXIST", call, () => plan.add(call));
  expect(plan.steps[0]?.tolerance).toEqual({ errno: "EEXIST", skip: 1, skipOnSuccess: true });
});

it("the last call of a branch skips the other one", () => {
  const plan = new Plan();
  plan.branch(
    "ENOTDIR",
    call,
    () => plan.add(call),
    () => {
      plan.add(call);
      plan.add(call);
    },
  );
  expect(tolerances(plan)).toEqual([
    { errno: "ENOTDIR", skip: 1, skipOnSuccess: false },
    { errno: undefined, skip: 2, skipOnSuccess: true },
    undefined,
    undefined,
  ]);
});

it("a branch must end in a call that is made and succeeds, or both branches would run", () => {
  const branch = (then: (plan: Plan) => void) => () => {
    const plan = new Plan();
    plan.branch(
      "ENOENT",
      call,
      () => then(plan),
      () => plan.add(call),
    );
  };
  expect(branch(() => {})).toThrow("must end in a call that succeeds");
  expect(branch((plan) => plan.tolerate("EEXIST", call))).toThrow("must end in a call that succeeds");
  expect(branch((plan) => plan.unless("ENOENT", call, () => plan.add(call)))).toThrow(
    "must end in a call that succeeds",
  );
  expect(branch((plan) => plan.orElse("ENOENT", call, () => plan.add(call)))).toThrow(
    "must end in a call that succeeds",
  );
  expect(branch((plan) => plan.add(call))).not.toThrow();
});

it("a pause in a branch is refused, for nothing would skip it", () => {
  const plan = new Plan();
  const pause = (): void => plan.pause("never", () => {});
  expect(() => new Plan().unless("ENOENT", call, () => {})).not.toThrow();
  expect(() => plan.unless("ENOENT", call, pause)).toThrow("a pause cannot be skipped: never");
  const other = new Plan();
  other.orElse("ENOENT", call, () => other.add(call));
  other.pause("between", () => {});
  expect(other.pauses.map(({ after, what }) => [after, what])).toEqual([[2, "between"]]);
});
