// Cases with somebody hostile in them: the image, or who is in the container. test/root/attacks tries far more on tsrun alone.

import { lstatSync, readdirSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Json, linux, MOUNTS, mounts, sh } from "../../test/root/harness/config.ts";
import { type Case, tell } from "./case.ts";
import { running } from "./steps.ts";

const [PROC] = MOUNTS;
const TRACE = "CAP_SYS_PTRACE";
/** Tells of every process that has other effective capabilities than CAP_SYS_PTRACE alone. */
const WATCH = `while :; do for process in /proc/[0-9]*; do
  while read -r key value; do
    [ "$key" != CapEff: ] || [ "$value" = 0000000000080000 ] || echo "seen CapEff $value"
  done 2>/dev/null <$process/status
done; done`;

export const ATTACKS: readonly Case[] = [
  {
    wanted: "A /dev/null that is another file masks nothing (CVE-2025-31133)",
    asked: "`create`, a file bound over /dev/null, linux.maskedPaths: /proc/version",
    because: "The mask would show that file, writable, and an image can choose it",
    async attempt(box) {
      const mount = { destination: "/dev/null", type: "bind", source: "/etc/hostname", options: ["bind"] };
      const container = box.container(
        sh("cat /proc/version"),
        mounts(mount),
        linux({ maskedPaths: ["/proc/version"] }),
      );
      const result = await container.run();
      return { holds: result.code !== 0, said: result.code === 0 ? "status 0: the mask is that file" : tell(result) };
    },
  },
  {
    wanted: "An image whose /dev is a link into a volume gets no devices made there",
    asked: "`run`, /dev -> /volume in the image, no mount at /dev",
    because: "The volume is the host's, and other containers'; what is there is changed before anything is refused",
    async attempt(box) {
      const volume = box.makeDirectory("volume");
      writeFileSync(join(volume, "null"), "mine", { mode: 0o600 });
      const bind = { destination: "/volume", type: "bind", source: volume, options: ["bind"] };
      const container = box.container(sh("true"), { mounts: [bind, PROC] as Json[] });
      rmdirSync(join(container.rootfs, "dev"));
      symlinkSync("/volume", join(container.rootfs, "dev"));
      const { code } = await container.run();
      const found = readdirSync(volume).filter((name) => name !== "null");
      const kept = lstatSync(join(volume, "null")).isFile();
      rmSync(volume, { recursive: true, force: true });
      const made = found.length === 0 ? "nothing made" : `made there: ${found.join(" ")}`;
      return { holds: kept && (code === 0 || found.length === 0), said: `status ${code}, ${made}` };
    },
  },
  {
    wanted: "An image whose /dev is a link out of it gets nothing made there",
    asked: "`run`, /dev in the image -> a folder of the host by its absolute path, no mount at /dev",
    because: "Links in an image end in it, like all of its paths: nothing outside is its own",
    async attempt(box) {
      const outside = box.makeDirectory("outside");
      const container = box.container(sh("true"), { mounts: [PROC] as Json[] });
      rmdirSync(join(container.rootfs, "dev"));
      symlinkSync(outside, join(container.rootfs, "dev"));
      const { code } = await container.run();
      const found = readdirSync(outside);
      rmSync(outside, { recursive: true, force: true });
      const made = found.length === 0 ? "nothing made" : `made there: ${found.join(" ")}`;
      return { holds: found.length === 0, said: `status ${code}, ${made}` };
    },
  },
  {
    wanted: "A /dev/null of the image that is a file does not get the program's output",
    asked: "`run`, /dev/null -> /file in the image, no mount at /dev, standard output a pipe",
    because: "Nobody but the caller says where output goes, and a pipe is not the null device",
    async attempt(box) {
      const container = box.container(sh("echo output"), { mounts: [PROC] as Json[] });
      container.writeFile("file", "");
      container.writeFile("dev/null", "");
      rmSync(join(container.rootfs, "dev/null"));
      symlinkSync("/file", join(container.rootfs, "dev/null"));
      const result = await container.run();
      const stolen = container.readFile("file").includes("output");
      return { holds: !stolen, said: stolen ? `status ${result.code}, and the output is in the file` : tell(result) };
    },
  },
  {
    wanted: "`exec --user` with a text that is no user's number is refused (CVE-2026-30892)",
    asked: "`exec --user=TEXT ID id`, TEXT one of -1, 4294967295, 4294967296, `:`, `1:` and `:1`",
    because:
      "What is no number must not be read as 0, which is root; 4294967295 is what setresuid(2) takes for `stay root`",
    async attempt(box) {
      const container = await running(box);
      const taken: string[] = [];
      for (const text of ["-1", "4294967295", "4294967296", ":", "1:", ":1"]) {
        const result = await container.exec(["sh", "-c", "echo $(id -u):$(id -g)"], [`--user=${text}`]);
        if (result.code === 0) taken.push(`"${text}" is ${result.stdout.trim()}`);
      }
      return { holds: taken.length === 0, said: taken.join(", ") || "all refused" };
    },
  },
  {
    wanted: "Who may trace what he sees never sees more rights than he has (CVE-2016-9962, with CAP_SYS_PTRACE)",
    asked:
      "`exec ID true`, forty times, while the container, whose one capability is CAP_SYS_PTRACE, reads /proc/*/status",
    because: "Until its program runs, what `exec` brings in would be a way to all of the host's capabilities",
    async attempt(box) {
      const capabilities = { bounding: [TRACE], effective: [TRACE], permitted: [TRACE] };
      const container = box.container({ process: { capabilities } }, sh(`echo ready; ${WATCH}`));
      const begun = await container.runDetached();
      if (begun.code !== 0) throw new Error(begun.stderr);
      await container.untilOutput("ready");
      for (let i = 0; i < 40; i++) await container.exec(["true"]);
      const seen = new Set(container.output().match(/^seen .*$/gm));
      return { holds: seen.size === 0, said: [...seen].sort().slice(0, 3).join(", ") || "nothing seen" };
    },
  },
  {
    wanted: "A mask is read-only: root inside cannot change the mode of what it shows",
    asked: "`run`, linux.maskedPaths: /proc/version, process.args: `chmod 666 /proc/version`",
    because: "It is a /dev/null, the host's or the container's; with another mode nobody else could use it",
    async attempt(box) {
      // To the mode that it has already.
      const script = sh("chmod 666 /proc/version 2>&1 && echo changed");
      const result = await box.container(script, linux({ maskedPaths: ["/proc/version"] })).run();
      return { holds: /Read-only/.test(result.stdout), said: tell(result) };
    },
  },
];
