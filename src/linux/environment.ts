// The environment of the process: the config's, with HOME where it is missing. environ(7), passwd(5).

/** Entries of which each name occurs once; the last one wins. */
export function uniqueEnvironment(entries: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const entry of entries) byName.set(entry.split("=", 1)[0] ?? "", entry);
  return [...byName.values()];
}

/** Whether there is a HOME that is not empty. */
export function hasHome(entries: readonly string[]): boolean {
  return entries.some((entry) => entry.startsWith("HOME=") && entry !== "HOME=");
}

/** The home directory of a user id in the text of a passwd file; "/" where there is none. */
export function homeOf(passwd: string, uid: number): string {
  for (const line of passwd.split("\n")) {
    const fields = line.split(":");
    if (fields[2] === String(uid)) return fields[5] || "/";
  }
  return "/";
}

/** Entries with HOME set. */
export function withHome(entries: readonly string[], home: string): string[] {
  return [...entries.filter((entry) => !entry.startsWith("HOME=")), `HOME=${home}`];
}
