// The form of /proc/PID/mountinfo: proc_pid_mountinfo(5).

/** A field as it is: space, tab, newline and backslash are written as three octal digits. */
export function unescaped(field = ""): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
