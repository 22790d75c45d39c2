// What goes wrong before a system call is made. A call that fails is a SyscallError (kernel.ts).

/** A config value that is valid by the specification but cannot be had on this host or from tsrun. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(field: string, message: string) {
    super(`${field}: ${message}`);
  }
}

/** A refusal: going on could let the container out. Nothing of the caller's is wrong by form. */
export class SafetyViolation extends Error {
  override readonly name = "SafetyViolation";
  constructor(field: string, message: string) {
    super(`${field}: ${message}`);
  }
}
