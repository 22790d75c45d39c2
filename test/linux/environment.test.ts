import { expect, it } from "vitest";
import { hasHome, homeOf, uniqueEnvironment, withHome } from "../../src/linux/environment.ts";

it("of entries with one name the last wins, in the place of the first", () => {
  expect(uniqueEnvironment(["A=1", "B=2", "A=3=4", "C="])).toEqual(["A=3=4", "B=2", "C="]);
});

it("an entry is known by the whole of its name", () => {
  expect(uniqueEnvironment(["AB=1", "A=2", "ABC=3"])).toEqual(["AB=1", "A=2", "ABC=3"]);
  // Without an equals sign it is a name of its own, not its own first letters.
  expect(uniqueEnvironment(["AB=1", "ABC", "__proto__=x"])).toEqual(["AB=1", "ABC", "__proto__=x"]);
});

it("an empty HOME is none", () => {
  expect([hasHome(["HOME=/x"]), hasHome(["HOME="]), hasHome(["XHOME=/x"]), hasHome([])]).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(withHome(["HOME=", "A=1"], "/root")).toEqual(["A=1", "HOME=/root"]);
});

it("the home directory is the user's by number", () => {
  const passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\nbroken:line\nuser:x:10:10::/home/user:\nnone:x:11:11:::\n";
  expect([0, 10, 11, 12].map((uid) => homeOf(passwd, uid))).toEqual(["/root", "/home/user", "/", "/"]);
});

it("a user whose number begins with another's is not that user", () => {
  expect(homeOf("a:x:100:1::/a:\nb:x:10:1::/b:\n", 10)).toBe("/b");
  expect(homeOf("a:x:010:1::/a:\n", 10)).toBe("/");
  expect(homeOf("", 0)).toBe("/");
});
