// Which process `exec` runs: that of a file, or the container's own with the command line's changes. Every number is parsed
// whole: "1x" is no user (CVE-2026-30892), and a name is never looked up (CVE-2016-3697). What the config says was checked
// when the container was created; what the flags say is checked here, by the same rules.

import { CAPABILITIES } from "../linux/abi/capability.ts";
import type { Capabilities, Config, Process, User } from "../spec/config.gen.ts";
import { loadConfig, loadProcess } from "../spec/load.ts";
import type { FlagsOf } from "./command-table.ts";
import type { Container } from "./container.ts";
import { SPEC_FILES } from "./spec-files.ts";
import { UsageError } from "./usage-error.ts";

type Flags = FlagsOf<"exec">;

/** The process, and the container's configuration where more of it is needed. */
export interface ExecProcess {
  readonly process: Process;
  readonly config: Config | undefined;
}

/** From --process FILE, or from the words of the command line. */
export function execProcess(container: Container, flags: Flags, args: readonly string[]): ExecProcess {
  if (flags.process !== undefined) {
    const process = loadProcess(flags.process, SPEC_FILES);
    const needsConfig = container.state.confined || process.capabilities === undefined;
    const config = needsConfig ? loadConfig(container.configPath, SPEC_FILES) : undefined;
    return { process: withOwn(process, config?.process), config };
  }
  if (args.length === 0) throw new UsageError("process args cannot be empty");
  const config = loadConfig(container.configPath, SPEC_FILES);
  return { process: changed(config.process ?? { cwd: "/", args: [] }, flags, args), config };
}

/** A process that says nothing of capabilities, its profile or label has the container's: it shall not get out by silence. */
function withOwn(process: Process, own: Process | undefined): Process {
  const capabilities = process.capabilities ?? own?.capabilities;
  const apparmorProfile = process.apparmorProfile || own?.apparmorProfile;
  const selinuxLabel = process.selinuxLabel || own?.selinuxLabel;
  return {
    ...process,
    ...(capabilities !== undefined && { capabilities }),
    ...(apparmorProfile !== undefined && { apparmorProfile }),
    ...(selinuxLabel !== undefined && { selinuxLabel }),
  };
}

function changed(own: Process, flags: Flags, args: readonly string[]): Process {
  const { consoleSize: _, ...base } = own;
  return {
    ...base,
    args: [...args],
    terminal: flags.tty,
    env: [...(own.env ?? []), ...flags.env.map(environmentEntry)],
    user: { ...own.user, ...userOf(flags) },
    ...(flags.cwd !== undefined && { cwd: absolutePath(flags.cwd) }),
    ...(flags.noNewPrivs && { noNewPrivileges: true }),
    ...(flags.apparmor !== undefined && { apparmorProfile: flags.apparmor }),
    ...(flags.processLabel !== undefined && { selinuxLabel: flags.processLabel }),
    ...(flags.cap.length > 0 && { capabilities: withCapabilities(own.capabilities ?? {}, flags.cap) }),
  };
}

/** environ(7) has name=value; docker's form without a value, which takes it from the caller, is not runc's. */
function environmentEntry(text: string): string {
  if (text.indexOf("=") < 1) throw new UsageError(`--env: not NAME=VALUE: ${JSON.stringify(text)}`);
  return text;
}

function absolutePath(path: string): string {
  if (!path.startsWith("/")) throw new UsageError(`--cwd: not an absolute path: ${JSON.stringify(path)}`);
  return path;
}

function userOf(flags: Flags): User {
  const groups = flags.additionalGids.map((gid) => id(gid, "--additional-gids"));
  const additional = groups.length > 0 ? { additionalGids: groups } : {};
  if (flags.user === undefined) return additional;
  const [uid = "", gid, ...rest] = flags.user.split(":");
  if (rest.length > 0) throw new UsageError(`--user: not UID[:GID]: ${flags.user}`);
  return { ...additional, uid: id(uid, "--user"), ...(gid !== undefined && { gid: id(gid, "--user") }) };
}

/** The largest id; the one above it means "none" to the kernel. */
const LAST_ID = 0xffff_fffe;

function id(text: string, flag: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > LAST_ID) throw new UsageError(`${flag}: not a numeric id: "${text}"`);
  return Number(text);
}

/** Added to what the process may use, never to what its children inherit (CVE-2022-29162). */
function withCapabilities(own: Capabilities, added: readonly string[]): Capabilities {
  const names = added.map(capability);
  const plus = (set: readonly string[] | undefined): string[] => [...new Set([...(set ?? []), ...names])];
  return {
    ...own,
    bounding: plus(own.bounding),
    effective: plus(own.effective),
    permitted: plus(own.permitted),
    ...((own.inheritable ?? []).length > 0 && { ambient: plus(own.ambient) }),
  };
}

/** CAP_KILL of `cap_kill` and `kill`. In a config an unknown name must be let pass; a person wants to hear of a slip. */
function capability(text: string): string {
  const name = `CAP_${text.toUpperCase().replace(/^CAP_/, "")}`;
  if (!(CAPABILITIES as readonly string[]).includes(name))
    throw new UsageError(`--cap: unknown capability: ${JSON.stringify(text)}`);
  return name;
}
