import { expect, it } from "vitest";
import { parseMountinfo } from "../../src/linux/mountinfo.ts";

it("a line tells of a mount, however many tags it has", () => {
  const text = [
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
    "36 22 0:31 /a\\040b /mnt/c\\011d\\134 ro,nosuid shared:3 master:1 - tmpfs x rw,size=4k",
    "",
  ].join("\n");
  expect(parseMountinfo(text)).toEqual([
    { id: 22, root: "/", place: "/", type: "ext4", options: ["rw"] },
    { id: 36, root: "/a b", place: "/mnt/c\td\\", type: "tmpfs", options: ["rw", "size=4k"] },
  ]);
});
