// Attacks by way of the state root: --root that is another user's, is reached by a link of his or lies below his directory; in
// one that all may make directories in, what he has put there by the name of a container. What lies there says which processes
// `kill` ends, what `delete` removes and which programs it runs, and a `create` of root's writes there.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { idle, type Json } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { except, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { OTHER } from "./attacker.ts";

const ofTsrun = except({ runc: "asks nobody whose it is", crun: "asks nobody whose it is" });

/** What commands do with a container's directory, and what all of it they must not do where it is not ours. */
const COMMANDS: readonly (readonly string[])[] = [
  ["state"],
  ["start"],
  ["kill", "KILL"],
  ["exec", "true"],
  ["ps"],
  ["pause"],
  ["delete"],
  ["delete", "--force"],
];

/** A stopped container whose state says that `delete` runs a hook; the file that the hook makes. */
async function trap(box: Sandbox): Promise<{ made: Container; mark: string }> {
  const mark = box.path("hooked");
  const hooks: Json = { hooks: { poststop: [{ path: "/bin/touch", args: ["touch", mark] }] } };
  const made = box.container(idle(), hooks);
  expect(await made.create()).toMatchObject({ code: 0 });
  expect((await made.kill("KILL")).code).toBe(0);
  await made.until("stopped");
  return { made, mark };
}

function chownTree(path: string, uid: number): void {
  execFileSync("chown", ["-hR", `${uid}:${uid}`, path]);
}

/** Every command on the container of that id is refused in these words. */
async function expectCommandsRefused(box: Sandbox, root: string, id: string, words: RegExp): Promise<void> {
  for (const [command = "", ...rest] of COMMANDS) {
    const flags = rest.filter((word) => word.startsWith("-"));
    const { code, stderr } = await box.call(["--root", root, command, ...flags, id, ...rest.slice(flags.length)]);
    expect([code, stderr], command).toEqual([expect.any(Number), expect.stringMatching(words)]);
    expect(code, command).not.toBe(0);
  }
}

/** Every command on the container of that id, and `list` and `create`, are refused in these words, and change nothing. */
async function expectRefused(box: Sandbox, root: string, { id, bundle }: Container, words: RegExp): Promise<void> {
  const before = existsSync(join(root, id)) && readdirSync(join(root, id));
  await expectCommandsRefused(box, root, id, words);
  for (const words_ of [["list"], ["create", "--bundle", bundle, `${id}-2`]]) {
    const { code, stderr } = await box.call(["--root", root, ...words_]);
    expect([code === 0, stderr], words_[0]).toEqual([false, expect.stringMatching(words)]);
  }
  expect(existsSync(join(root, id)) && readdirSync(join(root, id))).toEqual(before);
  expect(existsSync(join(root, `${id}-2`))).toBe(false);
}

describe("a state root", () => {
  needs(ofTsrun)("that is another user's is refused by every command, and no hook of his is run", async ({ box }) => {
    const { made, mark } = await trap(box);
    chownTree(box.root, OTHER);
    box.defer(() => chownTree(box.root, 0));
    await expectRefused(box, box.root, made, /state root: .* belongs to user 20001/);
    expect(existsSync(mark)).toBe(false);
  });

  needs(ofTsrun)("that others may rename in is refused", async ({ box }) => {
    const { made, mark } = await trap(box);
    for (const mode of [0o777, 0o702, 0o770]) {
      chownSync(box.root, 0, mode === 0o770 ? OTHER : 0);
      chmodSync(box.root, mode);
      await expectRefused(box, box.root, made, /state root: .* others may rename what is in it/);
    }
    chownSync(box.root, 0, 0);
    chmodSync(box.root, 0o700);
    expect(existsSync(mark)).toBe(false);
  });

  needs(ofTsrun)("that another user's link leads to is refused; one of root's is not", async ({ box }) => {
    const { made } = await trap(box);
    const link = box.path("link");
    symlinkSync(box.root, link);
    expect(await box.call(["--root", link, "state", made.id])).toMatchObject({ code: 0 });
    lchownSync(link, OTHER, OTHER);
    await expectRefused(box, link, made, /state root: .*\/link belongs to user 20001/);
    const below = box.path("below");
    symlinkSync(box.directory, below);
    lchownSync(below, OTHER, OTHER);
    await expectRefused(box, join(below, "state"), made, /state root: .*\/below belongs to user 20001/);
  });

  needs(ofTsrun)("below another user's directory is refused, be it there or not", async ({ box }) => {
    const { made } = await trap(box);
    const his = box.makeDirectory("his");
    cpSync(box.root, join(his, "state"), { recursive: true, filter: (path) => !/exec\./.test(path) });
    mkdirSync(join(his, "state/sub"));
    chownSync(his, OTHER, OTHER);
    await expectRefused(box, join(his, "state"), made, /state root: .*\/his belongs to user 20001/);
    const created = await box.call(["--root", join(his, "new/deep"), "create", "--bundle", made.bundle, made.id]);
    expect([created.code, created.stderr]).toEqual([1, expect.stringContaining("/his belongs to user 20001")]);
    expect(existsSync(join(his, "new"))).toBe(false);
  });

  needs(ofTsrun)("below a directory of the user who has called sudo is taken", async ({ box }) => {
    const { made } = await trap(box);
    const his = box.makeDirectory("his");
    chownSync(his, OTHER, OTHER);
    const root = join(his, "state");
    const run = ["--root", root, "run", "--bundle", made.bundle, `${made.id}-2`];
    made.configure({ process: { args: ["echo", "fine"] } });
    expect(await box.call(run, { env: { SUDO_UID: String(OTHER) } })).toMatchObject({ code: 0, stdout: "fine\n" });
    expect((await box.call(run, { env: { SUDO_UID: "20002" } })).stderr).toContain("/his belongs to user 20001");
    chownSync(root, OTHER, OTHER);
    expect((await box.call(run, { env: { SUDO_UID: String(OTHER) } })).stderr).toContain(
      "/state belongs to user 20001",
    );
  });
});

describe("in a state root that all may make directories in", () => {
  const shared = (box: Sandbox): void => {
    mkdirSync(box.root, { recursive: true });
    chmodSync(box.root, 0o1777);
  };

  needs(ofTsrun)("another user's directory by a container's name is not read, nor removed", async ({ box }) => {
    const { made, mark } = await trap(box);
    shared(box);
    const theirs = join(box.root, made.id);
    chownTree(theirs, OTHER);
    const words = /belongs to user 20001/;
    await expectCommandsRefused(box, box.root, made.id, words);
    expect((await box.call(["list"])).stderr).toMatch(words);
    renameSync(join(theirs, "state.json"), box.path("state.json"));
    expect((await made.delete("--force")).stderr).toMatch(words);
    expect([existsSync(theirs), existsSync(mark)]).toEqual([true, false]);
    renameSync(box.path("state.json"), join(theirs, "state.json"));
    chownTree(theirs, 0);
  });

  needs(ofTsrun)("another user's link by a container's name is not followed", async ({ box }) => {
    const { made, mark } = await trap(box);
    shared(box);
    const elsewhere = box.path("elsewhere");
    renameSync(join(box.root, made.id), elsewhere);
    symlinkSync(elsewhere, join(box.root, made.id));
    lchownSync(join(box.root, made.id), OTHER, OTHER);
    for (const flags of [[], ["--force"]]) expect((await made.delete(...flags)).code).not.toBe(0);
    expect((await box.call(["state", made.id])).code).not.toBe(0);
    expect([existsSync(join(elsewhere, "state.json")), existsSync(mark)]).toEqual([true, false]);
    rmSync(join(box.root, made.id));
    renameSync(elsewhere, join(box.root, made.id));
  });

  needs(ofTsrun)("a state of his that is a FIFO does not keep list waiting; ours are as ever", async ({ box }) => {
    shared(box);
    const his = join(box.root, "his");
    mkdirSync(his);
    execFileSync("mkfifo", [join(his, "state.json")]);
    chownTree(his, OTHER);
    box.defer(() => rmSync(his, { recursive: true, force: true }));
    const made = box.container(idle());
    expect(await made.runDetached()).toMatchObject({ code: 0, stderr: "" });
    const { stdout, stderr } = await box.call(["list", "--quiet"], { timeout: 5000 });
    expect([stdout, stderr]).toEqual([`${made.id}\n`, expect.stringContaining("load container his: ")]);
    expect((await made.exec(["true"])).code).toBe(0);
    expect((await made.delete("--force")).code).toBe(0);
  });
});

describe("in a state root of the caller's own", () => {
  needs(except({ runc: "removes it, even without --force", crun: "removes it" }))(
    "delete --force removes no directory that cannot be a container's",
    async ({ box }) => {
      const kept = join(box.root, "photos");
      mkdirSync(join(kept, "summer"), { recursive: true });
      writeFileSync(join(kept, "summer/1"), "");
      writeFileSync(join(kept, "state.json.new"), "");
      box.defer(() => rmSync(kept, { recursive: true }));
      for (const flags of [[], ["--force"]]) {
        const { code, stderr } = await box.call(["delete", ...flags, "photos"]);
        expect([code, stderr]).toEqual([1, expect.stringContaining("summer is nothing of a container's")]);
      }
      expect(existsSync(join(kept, "summer/1"))).toBe(true);
    },
  );

  needs(except({ runc: "takes it for the other", crun: "takes it for the other" }))(
    "a container's directory under another's name is no container",
    async ({ box }) => {
      const { made, mark } = await trap(box);
      cpSync(join(box.root, made.id), join(box.root, "copy"), {
        recursive: true,
        filter: (path) => !/exec\./.test(path),
      });
      box.defer(() => rmSync(join(box.root, "copy"), { recursive: true }));
      const { code, stderr } = await box.call(["delete", "--force", "copy"]);
      expect([code, stderr]).toEqual([1, expect.stringContaining(`it is the state of ${made.id}`)]);
      expect(existsSync(mark)).toBe(false);
    },
  );

  needs(except({ runc: "opens the FIFO and waits", crun: "opens the FIFO and waits" }))(
    "list names what it cannot read, whatever it is, and shows the rest",
    async ({ box }) => {
      const made = box.container(idle());
      await made.runDetached();
      const hostile: Readonly<Record<string, (directory: string) => void>> = {
        fifo: (at) => execFileSync("mkfifo", [join(at, "state.json")]),
        directory: (at) => mkdirSync(join(at, "state.json")),
        device: (at) => execFileSync("mknod", [join(at, "state.json"), "c", "1", "5"]),
        huge: (at) => {
          writeFileSync(join(at, "state.json"), "");
          truncateSync(join(at, "state.json"), 2 ** 40);
        },
        deep: (at) => writeFileSync(join(at, "state.json"), `${"[".repeat(1e6)}`),
        empty: (at) => void at,
      };
      for (const [name, make] of Object.entries(hostile)) {
        const directory = join(box.root, name);
        mkdirSync(directory);
        box.defer(() => rmSync(directory, { recursive: true }));
        make(directory);
      }
      symlinkSync("/", join(box.root, "link"));
      box.defer(() => rmSync(join(box.root, "link")));
      const many = Array.from({ length: 1000 }, (_, i) => join(box.root, `many${i}`));
      for (const directory of many) mkdirSync(directory);
      box.defer(() => {
        for (const directory of many) rmSync(directory, { recursive: true });
      });
      const { code, stdout, stderr } = await box.call(["list", "--quiet"], { timeout: 10_000 });
      expect([code, stdout]).toEqual([0, `${made.id}\n`]);
      for (const name of Object.keys(hostile)) expect(stderr).toContain(`load container ${name}: `);
      expect(stderr).not.toContain("load container link");
    },
  );

  const ids = [".", "..", "../x", "/", "a/b", "~", "x~", "seccomp~", "a\n", " ", "a\u0301", "x".repeat(255)];
  needs(except({ runc: "1.1 takes some", crun: "takes some" }))(
    "ids are names of a few letters, and lead nowhere",
    async ({ box }) => {
      const { bundle } = box.container(idle());
      for (const id of ids) {
        for (const command of [
          ["create", "--bundle", bundle, id],
          ["delete", "--force", id],
          ["kill", id],
        ]) {
          const { code, stderr } = await box.call(command);
          expect([code === 0, stderr], JSON.stringify(id)).toEqual([
            false,
            expect.stringMatching(/invalid container ID/),
          ]);
        }
      }
      // Bytes that are no text.
      const bytes = `exec "$0" --root "$1" delete --force "$(printf 'a\\377b')"`;
      const words = ["-c", bytes, process.env.RUNTIME || join(import.meta.dirname, "../../../dist/tsrun"), box.root];
      expect(() => execFileSync("sh", words, { stdio: "pipe" })).toThrow(/invalid container ID/);
    },
  );
});
