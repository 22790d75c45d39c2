// What a container that is gone must not leave: processes, mounts, cgroups, state. Looked for by a word that every id
// and every path of a sandbox holds, on the whole machine, in every cgroup hierarchy.

import { execFileSync } from "node:child_process";
import { type Dirent, existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { bySystemd, SYSTEMD_SOCKET } from "./runtime.ts";

/** Everything on this machine that bears the word, as lines for a person; empty when all is clean. */
export function leftovers(word: string): string[] {
  return [
    ...processesOf(word).map(({ pid, why }) => `process ${pid}: ${why}`),
    ...mountsOf(word).map((target) => `mount: ${target}`),
    ...cgroupsOf(word).map((path) => `cgroup: ${path}`),
    ...(bySystemd ? unitsOf(word).map((line) => `unit: ${line}`) : []),
  ];
}

/** Living processes whose cgroup, environment, current or root directory bears the word. */
export function processesOf(word: string): { pid: number; why: string }[] {
  const found: { pid: number; why: string }[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const why = traceOf(pid, word);
    if (why !== undefined) found.push({ pid, why });
  }
  return found;
}

function traceOf(pid: number, word: string): string | undefined {
  // A dead child of init that init has not waited for yet is no runtime's doing.
  if (/^State:\tZ/m.test(attempt(() => readFileSync(`/proc/${pid}/status`, "utf8")))) return undefined;
  const command = attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim());
  const facts: [string, () => string][] = [
    ["cgroup", () => readFileSync(`/proc/${pid}/cgroup`, "utf8")],
    ["environment", () => readFileSync(`/proc/${pid}/environ`, "utf8")],
    ["directory", () => readlinkSync(`/proc/${pid}/cwd`)],
    ["root", () => readlinkSync(`/proc/${pid}/root`)],
  ];
  const fact = facts.find(([, read]) => attempt(read).includes(word));
  return fact === undefined ? undefined : `${fact[0]} of "${command}"`;
}

/** Mount points of this mount namespace whose line bears the word. */
function mountsOf(word: string): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.filter((line) => line.includes(word)).map((line) => line.split(" ")[4] ?? line);
}

/** Cgroup directories, in every hierarchy below /sys/fs/cgroup, whose name bears the word. */
export function cgroupsOf(word: string): string[] {
  return walk("/sys/fs/cgroup", 6).filter((path) => path.includes(word));
}

/** Units of systemd whose name bears the word, whatever has become of them. */
export function unitsOf(word: string): string[] {
  if (!existsSync(SYSTEMD_SOCKET)) return [];
  const list = execFileSync("systemctl", ["list-units", "--all", "--plain", "--no-legend", "--full"], {
    encoding: "utf8",
  });
  return list.split("\n").filter((line) => line.includes(word));
}

function walk(directory: string, depth: number): string[] {
  if (depth === 0) return [];
  const children = entriesOf(directory).filter((entry) => entry.isDirectory());
  return children.flatMap((entry) => {
    const path = join(directory, entry.name);
    return [path, ...walk(path, depth - 1)];
  });
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // removed while we walked
  }
}

/** What `read` returns, or "" when the process is gone. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
