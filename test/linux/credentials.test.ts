import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { capabilityBits, grantedCapabilities } from "../../src/linux/capabilities.ts";
import { planBoundingSet, planCapabilities, planRootOfUserNamespace, planUser } from "../../src/linux/credentials.ts";
import { Plan } from "../../src/linux/plan.ts";
import type { Capabilities } from "../../src/spec/config.gen.ts";
import { calls, process } from "./sample.ts";

const planned = (append: (plan: Plan) => void): string[] => {
  const plan = new Plan();
  append(plan);
  return calls(plan);
};

describe("Capabilities", () => {
  it("are bits by number, 64 of them, without those that the kernel lacks or nobody knows", () => {
    expect(capabilityBits(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"], 40)).toBe(1n | (1n << 40n));
    expect(capabilityBits(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"], 39)).toBe(1n);
    expect(capabilityBits(["CAP_FLY", "chown", ""], 40)).toBe(0n);
    expect(capabilityBits(undefined, 40)).toBe(0n);
  });

  const bounding = (capabilities?: Capabilities, last = 3): string[] =>
    planned((plan) => planBoundingSet(plan, process(capabilities && { capabilities }), last));

  it("that are not in the bounding set are dropped from it, up to the kernel's last", () => {
    expect(bounding({ bounding: ["CAP_DAC_OVERRIDE", "CAP_SYSLOG"] })).toEqual([
      "prctl(PR_CAPBSET_DROP, CAP_CHOWN)",
      "prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH)",
      "prctl(PR_CAPBSET_DROP, CAP_FOWNER)",
    ]);
    expect(bounding({})).toHaveLength(4);
    expect(bounding({}, 62)).toHaveLength(63);
  });

  const sets = (capabilities?: Capabilities): string[] =>
    planned((plan) => planCapabilities(plan, process(capabilities && { capabilities }), 40, undefined));

  it.each([{}, undefined])("are none where the config has none (%j), and the ambient set is emptied too", (none) => {
    expect(bounding(none)).toHaveLength(4);
    expect(sets(none)).toEqual([
      "prctl(PR_SET_KEEPCAPS, 0)",
      "capset({effective=0, permitted=0, inheritable=0})",
      "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)",
    ]);
  });

  it("reach the kernel's halves of the sets, high ones too", () => {
    const high = ["CAP_CHOWN", "CAP_MAC_OVERRIDE", "CAP_CHECKPOINT_RESTORE"];
    const asked = { effective: ["CAP_CHECKPOINT_RESTORE"], permitted: high, inheritable: ["CAP_SETFCAP"] };
    expect(sets({ ...asked, bounding: ["CAP_SETFCAP"] })[1]).toBe(
      `capset({effective=CAP_CHECKPOINT_RESTORE, permitted=${high.join("|")}, inheritable=CAP_SETFCAP})`,
    );
  });

  it("are ambient only where permitted and inheritable, or the kernel would refuse", () => {
    const [one, two, three] = ["CAP_KILL", "CAP_SETUID", "CAP_BPF"] as const;
    const all = [one, two, three];
    const raised = sets({ bounding: all, permitted: [one, two], inheritable: [one, three], ambient: all });
    expect(raised.slice(3)).toEqual(["prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL)"]);
  });

  const [chown, kill, raw] = [1n << 0n, 1n << 5n, 1n << 13n];
  const names = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"];
  const everything = { bounding: names, permitted: names, effective: names, inheritable: names, ambient: names };

  it("that tsrun has not are left out of every set", () => {
    const granted = grantedCapabilities(everything, 40, { permitted: chown | raw | (1n << 21n), inheritable: 0n });
    expect(Object.values(granted)).toEqual(new Array(5).fill(chown | raw));
    expect(Object.values(grantedCapabilities(everything, 40))).toEqual(new Array(5).fill(chown | kill | raw));
    expect(grantedCapabilities(everything, 40, { permitted: chown, inheritable: kill }).inheritable).toBe(chown | kill);
  });

  it("that one set lacks are left out of another which the kernel holds to it", () => {
    const odd = { ...everything, bounding: ["CAP_CHOWN"], permitted: ["CAP_KILL"], ambient: names };
    const granted = grantedCapabilities(odd, 40);
    expect(granted).toEqual({ bounding: chown, permitted: kill, effective: kill, inheritable: chown, ambient: 0n });
  });

  it("are never more than the config asks for", () => {
    const set = fc.subarray(["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"]);
    const asked = fc.record({ bounding: set, permitted: set, effective: set, inheritable: set, ambient: set });
    const bits = fc.bigInt({ min: 0n, max: (1n << 41n) - 1n });
    fc.assert(
      fc.property(asked, bits, bits, (sets, permitted, inheritable) => {
        for (const [name, granted] of Object.entries(grantedCapabilities(sets, 40, { permitted, inheritable })))
          expect(granted & ~capabilityBits(sets[name as keyof Capabilities], 40)).toBe(0n);
      }),
    );
  });
});

describe("The user", () => {
  it("changes groups before the group, the group before the user, all three ids of each", () => {
    const user = { uid: 4294967294, gid: 3, additionalGids: [4, 2147483648] };
    expect(planned((plan) => planUser(plan, user, false))).toEqual([
      "prctl(PR_SET_KEEPCAPS, 1)",
      "setgroups([4, 2147483648])",
      "setresgid(3, 3, 3)",
      "setresuid(4294967294, 4294967294, 4294967294)",
    ]);
  });

  it("loses the caller's groups where the config has none", () => {
    expect(planned((plan) => planUser(plan, {}, false))).toContain("setgroups([])");
  });

  it("keeps groups where its user namespace denies setgroups and it asks for none, and nowhere else", () => {
    const tolerated = (inUserNamespace: boolean, additionalGids: number[]): unknown[] => {
      const plan = new Plan();
      planUser(plan, { additionalGids }, inUserNamespace);
      return plan.steps.flatMap(({ call, tolerance }) => (call.name === "setgroups" ? [tolerance?.errno] : []));
    };
    expect([tolerated(true, []), tolerated(true, [1]), tolerated(false, [])]).toEqual([
      ["EPERM"],
      [undefined],
      [undefined],
    ]);
  });

  it("of a new user namespace is its root first, with groups where they may be changed", () => {
    const plan = new Plan();
    planRootOfUserNamespace(plan);
    expect(plan.steps.map(({ call, tolerance }) => [call.name, tolerance?.errno])).toEqual([
      ["setgroups", "EPERM"],
      ["setresgid", undefined],
      ["setresuid", undefined],
    ]);
  });
});
