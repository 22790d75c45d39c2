// Images that the tasks of a container with a user namespace can open. They do so by themselves, at first as the host's root
// without its capabilities and then as the container's root: a directory that one of them alone may enter is closed to
// the other. What they get in its place is an overlay, in the mount namespace of CRIU's alone, whose topmost layer is an empty
// directory open to all. On disk nothing changes.
//
// Images that were written ahead are at the end of a link `parent` beside the others. In the topmost layer that is a directory, with
// the next overlay on it.

import { AT_FDCWD } from "../abi/fcntl.ts";
import { MS_RDONLY } from "../abi/mount.ts";
import { mkdirat, syscall } from "../calls.ts";
import { exists, statusOf } from "../file-status.ts";
import { realPath } from "../files.ts";
import type { Plan } from "../plan.ts";
import { PARENT } from "./image-files.ts";
import { planScratch } from "./scratch.ts";

const SEARCH_BY_OTHERS = 0o001;

/** Where the images are, and those that they build upon; none where all may enter the directories as they are. */
export function closedImages(images: string): string[] {
  const places = [realPath(images)];
  for (let link = `${images}/${PARENT}`; exists(link); link += `/${PARENT}`) places.push(realPath(link));
  const open = places.every((place) => ((statusOf(place)?.mode ?? 0) & SEARCH_BY_OTHERS) !== 0);
  return open ? [] : places;
}

/** Where they are once they are mounted for all. */
export function openedImages(place: string): string {
  return `${place}/images`;
}

/** Mounts them for all. `place`: an empty directory. */
export function planOpenImages(plan: Plan, places: readonly string[], place: string): void {
  plan.at("--image-path");
  const umask = plan.add(syscall("umask", 0));
  planScratch(plan, place); // for the topmost layers
  let target = openedImages(place);
  plan.add(mkdirat(AT_FDCWD, target, 0o755));
  for (const [i, directory] of places.entries()) {
    const top = `${place}/${i}`;
    plan.add(mkdirat(AT_FDCWD, top, 0o755));
    plan.add(mkdirat(AT_FDCWD, `${top}/${PARENT}`, 0o755));
    const layers = `lowerdir=${escaped(top)}:${escaped(directory)}`;
    plan.add(syscall("mount", "overlay", target, "overlay", MS_RDONLY, layers));
    target += `/${PARENT}`;
  }
  plan.add(syscall("umask", umask));
}

/** A path in the options of an overlay. */
function escaped(path: string): string {
  return path.replaceAll(/[\\:,]/g, "\\$&");
}
