// Annotations org.systemd.property.NAME: properties of the container's unit that a caller sets beyond the resources. Podman
// sends KillSignal and TimeoutStopUSec, CRI-O also After and CollectMode. Who may set annotations may set these: an engine that
// lets images do so filters them by `tsrun features`.

import { ConfigError } from "../../errors.ts";
import { isInteger, type Property, type Variant } from "./variant.ts";
import { parseVariant } from "./variant-text.ts";

const PREFIX = "org.systemd.property.";

/** The properties that a config's annotations ask for. @throws ConfigError naming the annotation */
export function annotatedProperties(annotations: Readonly<Record<string, string>>): Property[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(PREFIX))
    .map(([key, text]) => propertyOf(key, text));
}

function propertyOf(key: string, text: string): Property {
  const name = key.slice(PREFIX.length);
  const refuse = (reason: string) => new ConfigError(`annotations[${JSON.stringify(key)}]`, reason);
  if (!/^[A-Za-z]{3,}$/.test(name)) throw refuse("the name of a property is three or more letters");
  try {
    const variant = parseVariant(text);
    return /[a-z]Sec$/.test(name) ? inMicroseconds(name, variant) : { name, ...variant };
  } catch (error) {
    throw refuse(`not a value as GVariant writes it: ${(error as Error).message}`);
  }
}

/** systemd's files have times in seconds, `FooSec`, its properties in microseconds, `FooUSec`. */
function inMicroseconds(name: string, { signature, value }: Variant): Property {
  if (!isInteger(signature) && signature !== "d") throw new Error("a time is a number");
  const time = signature === "d" ? BigInt(Math.round(Number(value) * 1e6)) : BigInt(value as bigint) * 1_000_000n;
  if (time < 0n) throw new Error("a time is not negative");
  return { name: name.replace(/Sec$/, "USec"), signature: "t", value: time };
}
