// Puts a filter in force in the cgroup whose directory is descriptor 3, and prints what came of it: "done" or the error.
// Arguments: "true" to be rootless, then the filter as JSON.

import { setDevicesV2 } from "../../../src/linux/cgroups/devices-v2.ts";

try {
  setDevicesV2(3, JSON.parse(process.argv[3] ?? ""), () => process.argv[2] === "true");
  console.log("done");
} catch (error) {
  console.log((error as Error).message);
}
