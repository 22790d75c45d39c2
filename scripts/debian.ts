// Packages of other Debian suites, unpacked into a folder and never installed: what the build links and tests compare with
// is not always in the release that the machine runs. apt does the work, with lists and a configuration of its own below
// .cache/, the machine's mirror, and the machine's keys.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CACHE = fileURLToPath(new URL("../.cache/debian", import.meta.url));
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

interface Wanted {
  readonly suite: string;
  /** Debian's name of the architecture. */
  readonly architecture: "amd64" | "arm64";
}

/** The folder with a package's files, which are fetched when they are not there yet. Error in apt's words. */
export function debianPackage(name: string, wanted: Wanted): string {
  const folder = join(CACHE, `${name}-${wanted.suite}-${wanted.architecture}`);
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.${process.pid}`;
  mkdirSync(temporary, { recursive: true });
  try {
    const options = configuration(wanted);
    run("apt-get", [...options, "update", "-qq"], temporary);
    run("apt-get", [...options, "download", "-qq", `${name}:${wanted.architecture}`], temporary);
    const file = readdirSync(temporary).find((entry) => entry.endsWith(".deb"));
    run("dpkg-deb", ["--extract", `${file}`, "."], temporary);
    rmSync(join(temporary, `${file}`));
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** Options of apt-get that keep it to a suite, an architecture and a folder of ours. */
function configuration({ suite, architecture }: Wanted): string[] {
  const folder = join(CACHE, `apt-${suite}-${architecture}`);
  for (const part of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(folder, part), { recursive: true });
  writeFileSync(join(folder, "status"), "");
  writeFileSync(join(folder, "sources.list"), `deb [signed-by=${KEYRING}] ${mirror()} ${suite} main\n`);
  return [
    ["Dir::Etc::SourceList", join(folder, "sources.list")],
    ["Dir::Etc::SourceParts", "-"],
    ["Dir::State::Lists", join(folder, "lists")],
    ["Dir::State::Status", join(folder, "status")],
    ["Dir::Cache", join(folder, "cache")],
    ["APT::Architecture", architecture],
    ["APT::Architectures", architecture],
    ["APT::Sandbox::User", "root"],
    ["Acquire::Languages", "none"],
  ].map(([key, value]) => `-o${key}=${value}`);
}

/** Where the machine's own apt gets Debian from. Error when that is nowhere. */
function mirror(): string {
  const parts = "/etc/apt/sources.list.d";
  const files = [
    "/etc/apt/sources.list",
    ...(existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : []),
  ];
  for (const file of files.filter((path) => existsSync(path))) {
    const text = readFileSync(file, "utf8").replace(/^\s*#.*$/gm, "");
    const [, address] = /^(?:URIs:|deb\s+(?:\[[^\]]*\]\s+)?)\s*(\S+\/debian\/?)(?:\s|$)/m.exec(text) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error("No mirror of Debian in /etc/apt/sources.list or /etc/apt/sources.list.d");
}

function run(program: string, args: readonly string[], cwd: string): void {
  execFileSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}
