// Why tsrun does not pass a program. Lines are those of the suite's sources, .cache/runtime-tools/made/suite/sources/validation;
// places in the specification are those of its text of today.

export interface Reason {
  /**
   * kernel: this machine's cannot do it, for anybody. suite: the program cannot be passed by anybody. specification: the
   * specification says the contrary, and a runtime that passes breaks it. callers: the specification asks for it, and what
   * calls runtimes for something else. chance: the program races with what it tests.
   */
  readonly kind: "kernel" | "suite" | "specification" | "callers" | "chance";
  readonly why: string;
  readonly program: string;
  readonly specification: string;
}

const UNAPPLIED =
  "runtime.md#create: what cannot be applied as configured MUST generate an error, and no container be created";
const NO_LEAF_WEIGHT = "Kernels from 5.0 on have no weight of leaves: it went with the CFQ scheduler.";
const NO_HUGETLB = "This kernel has no hugetlb controller of version 1.";
const NO_NETWORK = "This kernel has no controllers net_cls and net_prio.";
const NO_KERNEL_MEMORY = "Kernels from 5.16 on limit no kernel memory by itself.";

export const REASONS: Readonly<Record<string, Reason>> = {
  delete: {
    kind: "callers",
    why: "`delete` of a container that is created and was never started removes it, as by runc and crun; engines clean up so.",
    program: "delete/delete.go:52",
    specification:
      "runtime.md#delete: of a container that is not `stopped` it MUST have no effect and generate an error",
  },
  hooks: {
    kind: "suite",
    why: "The hooks write `post-start1 called`, and the program compares with `post-start1`.",
    program: "hooks/hooks.go:47 and 79",
    specification: "config.md#posix-platform-hooks: in the listed order, as they were called",
  },
  linux_cgroups_blkio: {
    kind: "kernel",
    why: NO_LEAF_WEIGHT,
    program: "linux_cgroups_blkio/linux_cgroups_blkio.go:35",
    specification: UNAPPLIED,
  },
  linux_cgroups_relative_blkio: {
    kind: "kernel",
    why: NO_LEAF_WEIGHT,
    program: "linux_cgroups_relative_blkio/linux_cgroups_relative_blkio.go:25",
    specification: UNAPPLIED,
  },
  linux_cgroups_hugetlb: {
    kind: "kernel",
    why: NO_HUGETLB,
    program: "linux_cgroups_hugetlb/linux_cgroups_hugetlb.go:35",
    specification: UNAPPLIED,
  },
  linux_cgroups_relative_hugetlb: {
    kind: "kernel",
    why: NO_HUGETLB,
    program: "linux_cgroups_relative_hugetlb/linux_cgroups_relative_hugetlb.go:32",
    specification: UNAPPLIED,
  },
  linux_cgroups_memory: {
    kind: "kernel",
    why: NO_KERNEL_MEMORY,
    program: "linux_cgroups_memory/linux_cgroups_memory.go:41, util/linux_resources_memory.go:34",
    specification: "config-linux.md#memory: `kernel` and `kernelTCP` are NOT RECOMMENDED and may be ignored",
  },
  linux_cgroups_relative_memory: {
    kind: "kernel",
    why: NO_KERNEL_MEMORY,
    program: "linux_cgroups_relative_memory/linux_cgroups_relative_memory.go:25",
    specification: "config-linux.md#memory: `kernel` and `kernelTCP` are NOT RECOMMENDED and may be ignored",
  },
  linux_cgroups_network: {
    kind: "kernel",
    why: NO_NETWORK,
    program: "linux_cgroups_network/linux_cgroups_network.go:81",
    specification: UNAPPLIED,
  },
  linux_cgroups_relative_network: {
    kind: "kernel",
    why: NO_NETWORK,
    program: "linux_cgroups_relative_network/linux_cgroups_relative_network.go:22",
    specification: UNAPPLIED,
  },
  linux_mount_label: {
    kind: "specification",
    why: "The kernel has no SELinux. Who passes has passed over the label and made a container without it.",
    program: "linux_mount_label/linux_mount_label.go:12",
    specification: UNAPPLIED,
  },
  linux_process_apparmor_profile: {
    kind: "specification",
    why: "The kernel has no AppArmor. Who passes has passed over the profile and runs the program unconfined.",
    program: "linux_process_apparmor_profile/linux_process_apparmor_profile.go:12",
    specification: UNAPPLIED,
  },
  misc_props: {
    kind: "suite",
    why: "The first of its configs runs /runtimetest, which the program does not copy into that root.",
    program: "misc_props/misc_props.go:47-51 and 64",
    specification: "config.md#annotations: an unknown key MUST NOT be an error; nor is it",
  },
  pidfile: {
    kind: "chance",
    why: "It sends a signal to `true` once that runs, in time only if the machine is slow; afterwards an error is asked for.",
    program: "pidfile/pidfile.go:31 and 60",
    specification: "runtime.md#kill: to a container that is neither `created` nor `running` it MUST generate an error",
  },
  poststart_fail: {
    kind: "specification",
    why: "The program is of the time when a failing poststart hook was a warning. Today it ends the container.",
    program: "poststart_fail/poststart_fail.go:64",
    specification: "runtime.md#lifecycle, step 9: the runtime MUST generate an error and stop the container",
  },
  prestart: {
    kind: "specification",
    why: "The program wants prestart hooks to run in `start`. They belong to `create`.",
    program: "prestart/prestart.go:45",
    specification: "config.md#prestart: MUST be called as part of the `create` operation; runtime.md#lifecycle, step 3",
  },
  process_capabilities: {
    kind: "kernel",
    why:
      "The machine that made this has no CAP_SYS_RESOURCE to give, and the program wants all that its kernel knows. tsrun makes the " +
      "container and gives the others; its peers make none.",
    program: "process_capabilities/process_capabilities.go:20, cmd/runtimetest/main.go:322",
    specification: "config.md#linux-process: runtimes SHOULD NOT fail where capabilities cannot be granted",
  },
  process_capabilities_fail: {
    kind: "specification",
    why: "The program wants an unknown capability to be an error. It is a warning.",
    program: "process_capabilities_fail/process_capabilities_fail.go:23-25",
    specification: "config.md#linux-process: what cannot be mapped MUST be logged as a warning, and SHOULD NOT fail",
  },
  start: {
    kind: "specification",
    why: "Without `process` the program wants `start` to succeed, under a title that says the contrary.",
    program: "start/start.go:112",
    specification: "runtime.md#start: MUST generate an error if `process` was not set",
  },
};
