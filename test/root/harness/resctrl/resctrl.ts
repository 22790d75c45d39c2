// A resctrl for tests: no machine of ours has the processors for one, and QEMU imitates none. A FUSE that answers as the kernel's
// does (model.ts), and an environment in which the runtime takes it for one (redirect.c). What this cannot show is
// whether a processor heeds it.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { kernelFile, type Missing, program } from "../needs.ts";
import { type CallOptions, runtimeKind } from "../runtime.ts";
import type { Sandbox } from "../sandbox.ts";

const here = fileURLToPath(new URL(".", import.meta.url));

/** What tests that use one need. */
export const RESCTRL: readonly Missing[] = [
  kernelFile("/dev/fuse"),
  program("gcc"),
  runtimeKind === "tsrun" ? undefined : `${runtimeKind} makes its system calls past the C library`,
];

export class TestResctrl {
  readonly root: string;
  /** For a call of the runtime. */
  readonly options: CallOptions;

  private constructor(root: string, options: CallOptions) {
    this.root = root;
    this.options = options;
  }

  /** Mounts one; it goes with the sandbox. */
  static async mount(box: Sandbox): Promise<TestResctrl> {
    const root = box.makeDirectory("res ctrl");
    const server = spawn(process.execPath, [join(here, "fuse.ts"), root], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(server, "exit");
    await Promise.race([once(server.stdout, "data"), ended.then(() => Promise.reject(new Error("no FUSE")))]);
    box.defer(async () => {
      execFileSync("umount", ["-l", root]);
      await ended;
    });
    const library = box.path("redirect.so");
    execFileSync("gcc", ["-shared", "-fPIC", "-o", library, join(here, "redirect.c"), "-ldl"]);
    const shown = box.path("mountinfo");
    writeFileSync(shown, readFileSync("/proc/self/mountinfo", "utf8").replace("- fuse resctrl ", "- resctrl resctrl "));
    return new TestResctrl(root, { env: { LD_PRELOAD: library, SHOWN_MOUNTINFO: shown } });
  }

  /** For a call in whose midst another one makes the class that it was about to make, and writes to it a moment later. */
  withRival(name: string, schemata: string): CallOptions {
    return { env: { ...this.options.env, RIVAL: join(this.root, name), RIVAL_SCHEMATA: schemata } };
  }

  /** For a call that is killed when it is about to make a class. */
  killedMaking(name: string): CallOptions {
    return { env: { ...this.options.env, DIES_MAKING: join(this.root, name) } };
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), "utf8");
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.root, path), text);
  }

  exists(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  /** The classes beside the root's. */
  classes(): string[] {
    return readdirSync(this.root).filter((name) => this.exists(`${name}/schemata`));
  }

  /** The monitoring groups of a class. */
  monitors(group = ""): string[] {
    return readdirSync(join(this.root, group, "mon_groups"));
  }
}
