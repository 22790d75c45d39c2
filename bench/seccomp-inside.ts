// Run by bench/seccomp.ts as a program of our engine: takes the time of a profile's way from the config to the kernel, once.
//
//    PROFILE DIRECTORY    a file with the profile, in JSON; where filters are kept

import { print } from "../src/lifecycle/output.ts";
import { PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER } from "../src/linux/abi/prctl.ts";
import { readText } from "../src/linux/files.ts";
import { memory } from "../src/linux/libc.ts";
import { call } from "../src/linux/local.ts";
import { cachedSeccomp } from "../src/linux/seccomp/cache.ts";
import type { Seccomp } from "../src/spec/config.gen.ts";
import { asProgram } from "../test/engine/as-program.ts";

asProgram(() => {
  const [profile = "", directory = ""] = process.argv.slice(2);
  const seccomp = JSON.parse(readText(profile)) as Seccomp;
  const start = performance.now();
  const { filter } = cachedSeccomp(seccomp, directory);
  const made = performance.now();
  load(filter);
  print(JSON.stringify({ made: made - start, loaded: performance.now() - made, instructions: filter.length / 8 }));
  return 0;
});

/** As a container's process does it, but with bytes that are copied where they stay. */
function load(filter: Uint8Array): void {
  const program = memory(filter.length);
  program.bytes.set(filter);
  const fprog = new DataView(new ArrayBuffer(16));
  fprog.setUint16(0, filter.length / 8, true);
  fprog.setBigUint64(8, BigInt(program.address), true);
  call("", "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  call("", "seccomp", SECCOMP_SET_MODE_FILTER, 4, new Uint8Array(fprog.buffer));
}
