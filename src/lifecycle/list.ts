// tsrun list: all containers under --root, as a table, as JSON or as bare ids. What cannot be loaded is named on stderr and
// left out: one damaged container must not hide the others.

import { readText } from "../linux/files.ts";
import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { type ContainerView, viewOf } from "./container-view.ts";
import { messageOf } from "./message.ts";
import { complain, isErrno, print } from "./output.ts";
import { tableText } from "./table.ts";

/** Prints the containers. Throws when --root was given and is not there; the default directory may be missing. */
export function command({ root, rootGiven, flags }: Context<"list">): ExitStatus {
  const views = load(root, ids(root, rootGiven));
  if (flags.quiet) print(views.map((view) => `${view.id}\n`).join(""));
  else print(FORMATS[flags.format](views));
  return 0;
}

const HEADER = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];

/** The forms of --format. An empty list is `null`, as Go prints it. */
const FORMATS = {
  json: (views: readonly ContainerView[]) => `${JSON.stringify(views.length > 0 ? views : null)}\n`,
  table: (views: readonly ContainerView[]) =>
    tableText([HEADER, ...views.map((v) => [v.id, String(v.pid), v.status, v.bundle, v.created, v.owner])]),
} as const;

function ids(root: string, rootGiven: boolean): string[] {
  try {
    return Container.list(root);
  } catch (error) {
    if (!rootGiven && isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

function load(root: string, names: readonly string[]): ContainerView[] {
  const owners = new Map<number, string>();
  return names.flatMap((id) => {
    try {
      const container = Container.open(root, id);
      return [viewOf(container, ownerName(container.state.uid, owners))];
    } catch (error) {
      complain(`load container ${id}: ${messageOf(error)}\n`);
      return [];
    }
  });
}

/** The user's name, or #uid when /etc/passwd, passwd(5), has none. */
function ownerName(uid: number, known: Map<number, string>): string {
  if (known.size === 0) for (const [id, name] of users()) known.set(id, name);
  return known.get(uid) ?? `#${uid}`;
}

function users(): [number, string][] {
  let text = "";
  try {
    text = readText("/etc/passwd");
  } catch {
    // A host without users still has containers.
  }
  const entries = text.split("\n").map((line) => line.split(":"));
  // Where an id has two names the first is the name of the id: it is put last to win.
  return entries.map(([name = "", , uid]): [number, string] => [Number(uid ?? NaN), name]).reverse();
}
