// The versions of the runtime specification that this room knows (config.md, Specification version).

/** The one that the schemas are written from. */
export const SPEC_VERSION = "1.3.0";
/** The earliest one: nothing that 1.0.0 had was taken away since. */
export const SPEC_VERSION_MIN = "1.0.0";
