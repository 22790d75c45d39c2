// Paths as text. Nothing here asks the file system: "a/../b" is "b" although a link named a would make it another file, as in
// node:path and Go's filepath.Clean. (Not by node:path: the built program has none.)

/** The names in a path, "." and ".." resolved: nothing leads above where it starts. */
export function namesIn(path: string): string[] {
  const names = path.split("/");
  let count = 0;
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    if (name === "" || name === ".") continue;
    if (name !== "..") names[count++] = name;
    else if (count > 0) count--;
  }
  names.length = count;
  return names;
}

/** A path without "." and "..", doubled and trailing slashes; absolute, whatever it was. */
export function clean(path: string): string {
  return `/${namesIn(path).join("/")}`;
}

/** A path as seen from an absolute directory, clean. */
export function resolveFrom(directory: string, path: string): string {
  return clean(path.startsWith("/") ? path : `${directory}/${path}`);
}

/** A path as seen from the current directory, clean. */
export function absolute(path: string): string {
  return path.startsWith("/") ? clean(path) : resolveFrom(process.cwd(), path);
}

/** The directory that a clean path is in; "/" is in itself. */
export function dirname(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

/** The last name of a clean path; "" of the root. */
export function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
