// Programs of our engine for tests: a module built as dist/tsrun is, with the same host and prelude.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildProgram } from "../../scripts/engine.ts";
import { hostArchitecture } from "../../src/linux/abi/syscalls.ts";

const PRELUDE = fileURLToPath(new URL("../../src/engine/prelude.ts", import.meta.url));

/** A program in a folder of its own, which goes with it. */
export class EngineProgram implements Disposable {
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "made");
  }

  /** Builds the module at `module`, whose work is in asProgram. */
  static async build(module: string): Promise<EngineProgram> {
    const folder = mkdtempSync(join(tmpdir(), "engine-program-"));
    const made = new EngineProgram(folder);
    try {
      const input = join(folder, "input.ts");
      writeFileSync(input, [PRELUDE, module].map((path) => `import ${JSON.stringify(path)};\n`).join(""));
      writeFileSync(made.path, await buildProgram(hostArchitecture(), { input }, folder), { mode: 0o755 });
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
