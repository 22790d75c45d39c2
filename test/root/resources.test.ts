// Every setting of linux.resources on this machine's cgroups, read back from the kernel: harness/resource-cases.ts.

import { resourceTests } from "./harness/resource-check.ts";

resourceTests();
