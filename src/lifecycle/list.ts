// tsrun list: all containers under --root, as a table, as JSON or as bare ids. What cannot be loaded is named on stderr and
// left out: one damaged container must not hide the others.

import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { type ContainerView, viewOf } from "./container-view.ts";
import { messageOf } from "./message.ts";
import { complain, isErrno, print } from "./output.ts";
import { tableText } from "./table.ts";
import { userNames } from "./users.ts";

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
  let owners: ReadonlyMap<number, string> | undefined;
  const ownerOf = ({ state: { uid } }: Container): string => {
    owners ??= userNames();
    return owners.get(uid) ?? `#${uid}`;
  };
  return names.flatMap((id) => {
    try {
      const container = Container.open(root, id);
      return [viewOf(container, ownerOf(container))];
    } catch (error) {
      complain(`load container ${id}: ${messageOf(error)}\n`);
      return [];
    }
  });
}
