// Programs of our engine for tests: a module built as dist/tsrun is, with the same host and prelude.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildProgram, toolsFor } from "../../scripts/engine.ts";
import { type Architecture, hostArchitecture } from "../../src/linux/abi/syscalls.ts";

const PRELUDE = fileURLToPath(new URL("../../src/engine/prelude.ts", import.meta.url));

/** Why no program for `arch` can be built and run here, or undefined. */
export function missing(arch: Architecture): string | undefined {
  if (arch === hostArchitecture()) return undefined;
  const { compiler, emulator } = toolsFor(arch);
  const [qemu = "", , library = ""] = emulator;
  const needed = [compiler, `${library}/include/stdio.h`, qemu, "/usr/bin/apt-get"];
  const absent = needed.filter((path) => !existsSync(path));
  return absent.length === 0 ? undefined : `there is no ${absent.join(" and no ")}`;
}

/** A program in a folder of its own, which goes with it. */
export class EngineProgram implements Disposable {
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "made");
  }

  /** Builds the module at `module`, whose work is in asProgram. `constants`: identifiers that stand for texts. */
  static async build(
    module: string,
    arch: Architecture = hostArchitecture(),
    constants: Readonly<Record<string, string>> = {},
  ): Promise<EngineProgram> {
    const folder = mkdtempSync(join(tmpdir(), "engine-program-"));
    const made = new EngineProgram(folder);
    try {
      const input = join(folder, "input.ts");
      writeFileSync(input, [PRELUDE, module].map((path) => `import ${JSON.stringify(path)};\n`).join(""));
      writeFileSync(made.path, await buildProgram(arch, { input, constants }, folder), { mode: 0o755 });
    } catch (error) {
      made[Symbol.dispose]();
      throw error;
    }
    return made;
  }

  /** Builds a module from its text; it imports by absolute paths. */
  static async of(text: string): Promise<EngineProgram> {
    const folder = mkdtempSync(join(tmpdir(), "engine-module-"));
    try {
      const input = join(folder, "module.ts");
      writeFileSync(input, text);
      return await EngineProgram.build(input);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
