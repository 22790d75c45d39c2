// tsrun: main() and nothing else.

import { main } from "../src/lifecycle/main.ts";
import { exitGroup } from "../src/linux/exit.ts";

void main(process.argv.slice(2)).then(exitGroup);
