// Completion, in a real bash: the script is sourced, and bash's own machinery is asked as Tab asks it.

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { execa } from "execa";
import { expect, test, vi } from "vitest";
import { candidates } from "../../src/lifecycle/completion.ts";
import { Container } from "../../src/lifecycle/container.ts";
import { node, repository, temporary, tsrun } from "./harness.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 60_000 });

/** What bash offers at the end of `line`, where tsrun is found in the PATH. */
async function tab(line: string, cwd = "/"): Promise<string[]> {
  const bin = temporary();
  writeFileSync(`${bin}/tsrun`, `#!/bin/sh\nexec ${node} ${repository}bin/tsrun.ts "$@"\n`);
  chmodSync(`${bin}/tsrun`, 0o755);
  // As readline splits it: COMP_WORDBREAKS has "=", which is a word by itself.
  const words = line.split(/ |(=)/).filter((word) => word !== undefined);
  const bash = `
    source <(tsrun completion bash) || exit 9
    [[ $(complete -p tsrun) == *"-F _tsrun tsrun" ]] || exit 8
    COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _tsrun tsrun "\${COMP_WORDS[COMP_CWORD]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await execa("bash", ["--norc", "-c", bash], { cwd, env: { PATH: `${bin}:/usr/bin:/bin` } });
  return stdout.split("\n").filter((word) => word !== "");
}

test("bash offers commands, flags, values and the ids of containers", async () => {
  const root = temporary();
  for (const id of ["web", "web2", "db"]) Container.create(root, id).unlock();
  expect(await tab("tsrun st")).toEqual(["start", "state"]);
  expect(await tab("tsrun list --qu")).toEqual(["--quiet"]);
  expect(await tab("tsrun list --format ")).toEqual(["table", "json"]);
  expect(await tab("tsrun list --format=j")).toEqual(["json"]);
  expect(await tab(`tsrun --root ${root} delete --force we`)).toEqual(["web", "web2"]);
});

test("a script for another shell is refused", async () => {
  expect(await tsrun(["completion", "fish"])).toMatchObject({ code: 1, stdout: "" });
});

test.each([
  [["--ro"], ["--root", "--rootless"]],
  [["--root", ""], []],
  [["create", "--bundle", ""], []],
  [["create", ""], []],
  [
    ["create", "--no-"],
    ["--no-pivot", "--no-new-keyring"],
  ],
  [["create", "--no-pivot", "-"], expect.arrayContaining(["--bundle", "--help"])],
  [["help", "cr"], ["create"]],
  [["completion", ""], ["bash"]],
  [["nonsense", "cr"], []],
  [["--nonsense", "cr"], []],
])("after %j come %j", (words, expected) => {
  expect(candidates(words)).toEqual(expected);
});

test("ids are offered for the first argument only, and --root may be joined", () => {
  const root = temporary();
  mkdirSync(`${root}/c1`);
  expect(candidates([`--root=${root}`, "kill", ""])).toEqual(["c1"]);
  expect(candidates(["--root", "=", root, "kill", ""])).toEqual(["c1"]);
  expect(candidates(["--root", root, "kill", "c1", ""])).toEqual([]);
  expect(candidates(["--root", "/nonexistent", "kill", ""])).toEqual([]);
});
