// tsrun run from its sources by Node: main() and nothing else. The built program starts in image.ts.

import { main } from "../src/lifecycle/main.ts";

process.exit(main(process.argv.slice(2)));
