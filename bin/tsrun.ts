// tsrun: main() and nothing else. Leaving by exit() spares the engine from starting its event loop to find it empty.

import { main } from "../src/lifecycle/main.ts";

void main(process.argv.slice(2)).then(process.exit);
