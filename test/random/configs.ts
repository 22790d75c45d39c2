// Random configurations: one of a few that have much in them, with some of it changed. Most changes give what is valid, or
// nearly; some give what no schema takes. Where a value is of a field that the schemas name choices for, it is often another
// choice; other values are often taken from another place of the same kind, so that they look like something.

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";

/** JSON, with a bigint for an integer that a double cannot hold. */
export type Value = null | boolean | number | bigint | string | Value[] | { [key: string]: Value };

/** One thing that is changed: which of all places, and how; the numbers choose. */
export interface Edit {
  readonly place: number;
  readonly kind: "choice" | "elsewhere" | "odd" | "remove" | "double" | "swap";
  readonly choice: number;
}

const ODD: readonly Value[] = [
  ...[
    "",
    "/",
    ".",
    "..",
    "a/../../b",
    "x",
    "\0",
    "a\nb",
    "\ud800",
    "ä€😀",
    "0-",
    "0-1,99",
    "-1",
    "a=b",
    "%s",
    "A".repeat(5000),
  ],
  ...[0, 1, -1, 0.5, 255, 256, 65_535, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 31), 2 ** 53, 1e300],
  ...[2n ** 63n - 1n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 63n)],
  ...[null, true, false, [], {}, [[]], [null], { "": {} }],
];

/** As often as they are here. */
const KINDS: readonly Edit["kind"][] = [
  "choice",
  "choice",
  "choice",
  "elsewhere",
  "elsewhere",
  "odd",
  "remove",
  "double",
  "swap",
];

/** How a configuration is changed. */
export const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.record({
    place: fc.nat(),
    kind: fc.constantFrom(...KINDS),
    choice: fc.nat(),
  }),
  { minLength: 0, maxLength: 3 },
);

/** The configuration with the changes made, one after the other. */
export function changed(base: Value, changes: readonly Edit[]): Value {
  return changes.reduce(change, structuredClone(base));
}

/** A place in a document. */
interface Place {
  readonly parent: Value[] | { [key: string]: Value };
  readonly key: string | number;
  /** The name of the field that it is in. */
  readonly field: string;
}

function change(document: Value, { place, kind, choice }: Edit): Value {
  const places = placesIn(document, "");
  const at = places[place % Math.max(places.length, 1)];
  if (at === undefined) return document;
  const old = valueAt(at);
  if (kind === "remove") remove(at);
  else if (kind === "double" && Array.isArray(at.parent)) at.parent.push(structuredClone(old));
  else if (kind === "swap" && Array.isArray(at.parent)) at.parent.reverse();
  else put(at, kind === "odd" ? pick(ODD, choice) : likely(at, kind, choice, places));
  return document;
}

/** A value that could stand there. */
function likely(at: Place, kind: Edit["kind"], choice: number, places: readonly Place[]): Value {
  const choices = CHOICES.get(at.field);
  if (kind === "choice" && choices !== undefined) return pick(choices, choice);
  const old = valueAt(at);
  const alike = places
    .map(valueAt)
    .filter((value) => typeof value === typeof old && Array.isArray(value) === Array.isArray(old));
  return structuredClone(pick(alike, choice));
}

function placesIn(value: Value, field: string): Place[] {
  if (typeof value !== "object" || value === null) return [];
  const keys = Array.isArray(value) ? value.keys().toArray() : Object.keys(value);
  return keys.flatMap((key) => {
    const place = { parent: value, key, field: typeof key === "number" ? field : key };
    return [place, ...placesIn(valueAt(place), place.field)];
  });
}

function valueAt({ parent, key }: Place): Value {
  return (parent as { [key: string | number]: Value })[key] as Value;
}

function put({ parent, key }: Place, value: Value): void {
  // As JSON.parse has it: "__proto__" is a key like any other.
  Object.defineProperty(parent, key, { value, writable: true, enumerable: true, configurable: true });
}

function remove({ parent, key }: Place): void {
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
}

function pick<Item>(items: readonly Item[], choice: number): Item {
  return items[choice % items.length] as Item;
}

/** The choices that the schemas give, by the field's name. */
const CHOICES = new Map<string, readonly Value[]>([
  [
    "options",
    "ro rw nosuid noexec rbind bind rprivate slave size=1m mode=755 relatime ratime rro tmpcopyup idmap x=y".split(" "),
  ],
  [
    "type",
    "tmpfs proc sysfs devpts mqueue cgroup bind none ext4 c b u p pid network mount ipc uts user cgroup time".split(
      " ",
    ),
  ],
  ["names", "read write clone clone3 no_such_call mount".split(" ")],
  ["limit", [0, 1, -1, 4096, 1 << 26, 2n ** 63n - 1n]],
  ["terminal", [true, false]],
]);

for (const schema of schemas()) collectChoices(schema, "", schema);

function schemas(): Value[] {
  const folder = new URL("../../schemas/", import.meta.url);
  return readdirSync(folder).map((name) => JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Value);
}

function collectChoices(node: Value, field: string, root: Value): void {
  if (typeof node !== "object" || node === null || Array.isArray(node)) return;
  if (Array.isArray(node.enum) && field !== "" && !CHOICES.has(field)) CHOICES.set(field, node.enum);
  for (const [key, value] of Object.entries(node)) {
    const isNamed = key !== "properties" && key !== "definitions" && key !== "items";
    collectChoices(value, isNamed ? key : field, root);
  }
}
