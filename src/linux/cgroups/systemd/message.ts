// Arguments of a method: sd_bus_message_append_basic(3), sd_bus_message_open_container(3).

import { checked, code, type Libsystemd } from "./libsystemd.ts";
import { completeTypes, fixed, type Property, type Value, type Variant } from "./variant.ts";

/** An argument of a method. */
export type Argument = Variant;

/** Appends arguments to a message. @throws BusError for what D-Bus cannot carry, an object path that is none for instance */
export function appendArguments(api: Libsystemd, message: number, args: readonly Argument[]): void {
  const append = ({ signature, value }: Variant): void => {
    const [type = ""] = signature;
    if (type === "a") within("a", signature.slice(1), members(signature.slice(1), value));
    else if (type === "(") within("r", signature.slice(1, -1), fields(signature.slice(1, -1), value));
    else if (type === "v") within("v", (value as Variant).signature, [value as Variant]);
    else checked(api.sd_bus_message_append_basic(message, code(type), basic(type, value)), `a value of type ${type}`);
  };
  const within = (container: string, contents: string, inside: readonly Variant[]): void => {
    checked(api.sd_bus_message_open_container(message, code(container), contents), `a value of type ${contents}`);
    for (const variant of inside) append(variant);
    checked(api.sd_bus_message_close_container(message), `a value of type ${contents}`);
  };
  for (const argument of args) append(argument);
}

function members(signature: string, value: Value): Variant[] {
  return (value as readonly Value[]).map((member) => ({ signature, value: member }));
}

function fields(signatures: string, value: Value): Variant[] {
  const values = value as readonly Value[];
  return completeTypes(signatures).map((signature, i) => ({ signature, value: values[i] as Value }));
}

function basic(type: string, value: Value): string | Uint8Array {
  return "sog".includes(type) ? String(value) : fixed(type, value);
}

/** Properties as methods of systemd take them: a(sv). */
export function propertyList(properties: readonly Property[]): Argument {
  const value = properties.map(({ name, ...variant }) => [
    name,
    { signature: variant.signature, value: variant.value },
  ]);
  return { signature: "a(sv)", value };
}
