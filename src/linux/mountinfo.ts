// The mounts that a process sees, as /proc/self/mountinfo tells of them: proc_pid_mountinfo(5).

/** A mount. */
export interface MountInfo {
  readonly id: number;
  /** Which directory of the file system is mounted. */
  readonly root: string;
  /** Where. */
  readonly place: string;
  /** Of the file system, `ext4`. */
  readonly type: string;
  /** The file system's own options: of a cgroup v1 hierarchy its controllers are among them. */
  readonly options: readonly string[];
}

/** The mounts in the text of a mountinfo file, in order: what lies on another one comes after it. */
export function parseMountinfo(text: string): MountInfo[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const fields = line.split(" ");
      const [type = "", , options = ""] = fields.slice(fields.indexOf("-") + 1);
      const [id, , , root, place] = fields;
      return { id: Number(id), root: unescaped(root), place: unescaped(place), type, options: options.split(",") };
    });
}

/** mountinfo writes space, tab, newline and backslash as three octal digits. */
function unescaped(field = ""): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
