// The built program: QuickJS and src/engine/*.c linked into one executable, with all of tsrun already loaded in its heap.
// src/engine/main.c says how that works; here it is put together.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { type Architecture, hostArchitecture } from "../src/linux/abi/syscalls.ts";
import { debianPackage } from "./debian.ts";
import { withSegment } from "./elf.ts";
import { withPlainParameters } from "./parameters.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = ["main.c", "heap.c", "functions.c"].map((name) => join(repository, "src/engine", name));

/** Where the heap is: behind the program, within the lowest 2 GiB, which code reaches with 32 bits. */
const HEAP = 0x1000_0000;

const FLAGS = [
  ...["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"],
  // The heap's image holds addresses of functions, which therefore must not move.
  ...["-fno-pie", "-no-pie", `-Wl,--section-start=.heap=0x${HEAP.toString(16)}`],
  ...["-D_GNU_SOURCE", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-Wl,-z,now,-z,relro,-z,noexecstack"],
];

/** Names of an architecture: Debian's, and the compiler's and emulator's. */
const NAMES = {
  x64: { debian: "amd64", machine: "x86_64" },
  arm64: { debian: "arm64", machine: "aarch64" },
} as const;

/** What makes and runs programs of an architecture. */
interface Tools {
  readonly compiler: string;
  /** The words in front of a program that run it: none, or a qemu, -L, and the folder with the C library. */
  readonly emulator: readonly string[];
}

/** Where quickjs.h and libquickjs.a are, and the terms that it comes under. */
interface Library {
  readonly headers: string;
  readonly archive: string;
  readonly license: string;
}

/** What to make a program of. */
export interface Ingredients {
  /** The module that is loaded; it gives the global object a function `main`. */
  readonly input: string;
  /** Identifiers that stand for texts. */
  readonly constants?: Readonly<Record<string, string>>;
  /** argv of a start that is as most are; it is tried by the build, and must do no harm. */
  readonly sample?: readonly string[];
}

/** The executable, made with files in the folder `scratch`. Error when a tool is missing or fails. */
export async function buildProgram(arch: Architecture, of: Ingredients, scratch: string): Promise<Uint8Array> {
  const program = join(scratch, "program");
  const script = join(scratch, "tsrun.js");
  const image = join(scratch, "image");
  compile(arch, program);
  writeFileSync(script, await bundle(of));
  const [runner = program, ...words] = [...toolsFor(arch).emulator, program, script, image, ...(of.sample ?? [])];
  execFileSync(runner, words, { stdio: ["ignore", "ignore", "inherit"] });
  return withSegment(readFileSync(program), HEAP, readFileSync(image));
}

/** The text that must go with a program that QuickJS is part of. Error where it is missing. */
export function engineLicense(arch: Architecture): string {
  return readFileSync(quickjs(arch).license, "utf8");
}

/** Node's name of an architecture that programs can be built for. Error for any other text. */
export function architectureOf(text: string): Architecture {
  if (Object.hasOwn(NAMES, text)) return text as Architecture;
  throw new Error(`Cannot build for ${text}: tsrun knows ${Object.keys(NAMES).join(" and ")}`);
}

/** The tools for this machine's architecture, and Debian's cross tools for another one. */
export function toolsFor(arch: Architecture): Tools {
  if (arch === hostArchitecture()) return { compiler: process.env.CC ?? "gcc", emulator: [] };
  const { machine } = NAMES[arch];
  return {
    compiler: `/usr/bin/${machine}-linux-gnu-gcc`,
    emulator: [`/usr/bin/qemu-${machine}-static`, "-L", `/usr/${machine}-linux-gnu`],
  };
}

/** The program without an image. */
function compile(arch: Architecture, output: string): void {
  const { headers, archive } = quickjs(arch);
  const args = [...FLAGS, "-isystem", headers, ...SOURCES, archive, "-lm", "-ldl", "-lpthread", "-s", "-o", output];
  execFileSync(toolsFor(arch).compiler, args, { stdio: "inherit" });
}

/**
 * Debian's library: of the machine when it has it (trixie and later), else of trixie, unpacked below .cache/. Elsewhere
 * TSRUN_QUICKJS names a folder with quickjs.h, libquickjs.a and LICENSE of QuickJS 2025-04-26 or later, for the machine's architecture.
 */
function quickjs(arch: Architecture): Library {
  const own = process.env.TSRUN_QUICKJS;
  if (own !== undefined && arch === hostArchitecture())
    return { headers: own, archive: join(own, "libquickjs.a"), license: join(own, "LICENSE") };
  const { debian, machine } = NAMES[arch];
  const below = (root: string) => ({
    headers: join(root, "usr/include/quickjs"),
    archive: join(root, `usr/lib/${machine}-linux-gnu/quickjs/libquickjs.a`),
    license: join(root, "usr/share/doc/libquickjs/copyright"),
  });
  const installed = below("/");
  if (existsSync(installed.headers) && existsSync(installed.archive)) return installed;
  return below(debianPackage("libquickjs", { suite: "trixie", architecture: debian }));
}

/** Puts our own function in the place of the compiler's for `using`: using.ts says why. */
const ownUsing = {
  name: "using",
  transform: (_code: string, id: string) =>
    id.endsWith("/usingCtx.js")
      ? `export { enter as default } from ${JSON.stringify(join(repository, "src/engine/using.ts"))}`
      : null,
};

/** The module and all that it imports as one script, without what the engine does not know. */
async function bundle({ input, constants = {} }: Ingredients): Promise<string> {
  const define = Object.fromEntries(Object.entries(constants).map(([name, value]) => [name, JSON.stringify(value)]));
  const bundled = await rolldown({
    input,
    platform: "neutral",
    tsconfig: false,
    plugins: [ownUsing],
    onLog: (_level, { message }) => {
      throw new Error(`Cannot bundle: ${message}`);
    },
    transform: {
      target: "es2023",
      define: { ...define, "import.meta.url": "undefined" },
      // Fields that the constructor sets are not defined before that: it would take a function of its own for each object.
      typescript: { removeClassFieldsWithoutInitializer: true },
      assumptions: { setPublicClassFields: true },
    },
  });
  const { output } = await bundled.generate({ format: "iife", codeSplitting: false });
  await bundled.close();
  return withPlainParameters(output[0].code);
}
