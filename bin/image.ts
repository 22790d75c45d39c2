// What the built program's heap is made of (src/engine/main.c): all of tsrun, loaded, and the function that a start calls.

import "../src/engine/prelude.ts";
import { main } from "../src/lifecycle/main.ts";

Object.assign(globalThis, { main: () => main(process.argv.slice(2)) });
