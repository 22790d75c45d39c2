// What Podman mounts: volumes that are given to a user, mapped or laid over, its other types of mounts, and devices.

import { chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { CDI_DEVICE, CDI_SEEN, describeDevice, expectDevice } from "./cdi.ts";
import { removeIfNew } from "./engine.ts";
import { BOTH, lines, operation, podmanSince, root } from "./podman-user.ts";

operation(BOTH, "a volume is given to the container's user with :U", async (podman) => {
  const found = await lines(
    podman,
    `mkdir ${podman.own}/volume; for user in 5:6 7:8; do
      $P $RUN --user $user -v ${podman.own}/volume:/v:U busybox sh -c 'touch /v/$(id -u); stat -c %u:%g /v /v/*'; done`,
  );
  expect(found).toEqual(["5:6", "5:6", "7:8", "7:8", "7:8"]);
});

operation([root], "a volume is id-mapped with :idmap, and in a user namespace", async (podman) => {
  const file = join(podman.own, "file");
  writeFileSync(file, "");
  chownSync(file, 1000, 2000);
  const maps = "--uidmap=0:100000:65536 --gidmap=0:100000:65536";
  const found = await lines(
    podman,
    `$P $RUN ${maps} -v ${podman.own}:/v:idmap busybox sh -c 'stat -c %u:%g /v/file; touch /v/new'; stat -c %u:%g ${podman.own}/new`,
  );
  expect(found).toEqual(["1000:2000", "0:0"]);
});

operation(BOTH, "--mount of an image and of pseudo terminals", async (podman) => {
  const mounts = "--mount type=image,source=busybox,target=/i --mount type=devpts,target=/p";
  const found = await lines(
    podman,
    `$P $RUN ${mounts} busybox sh -c 'ls /i/bin/sh; touch /i/new 2>/dev/null || echo no; grep -o "^devpts /p devpts rw" /proc/mounts; ls /p'`,
  );
  expect(found).toEqual(["/i/bin/sh", "no", "devpts /p devpts rw", "ptmx"]);
});

operation(
  BOTH,
  "--mount of what a pattern names, and ramfs",
  async (podman) => {
    const found = await lines(
      podman,
      `touch ${podman.own}/one ${podman.own}/two
    $P $RUN --mount type=glob,source=${podman.own}'/*o*',target=/g --mount type=ramfs,target=/r busybox sh -c 'ls /g; grep -o "^[a-z]* /r ramfs rw" /proc/mounts'`,
    );
    expect(found).toEqual(["one", "two", "ramfs /r ramfs rw"]);
  },
  podmanSince(4, 7),
);

operation(BOTH, "a volume laid over with :O", async (podman) => {
  const found = await lines(
    podman,
    `mkdir ${podman.own}/volume; echo below >${podman.own}/volume/file
    $P $RUN -v ${podman.own}/volume:/v:O busybox sh -c 'cat /v/file; echo above >/v/file; cat /v/file'; cat ${podman.own}/volume/file`,
  );
  expect(found).toEqual(["below", "above", "below"]);
});

operation(BOTH, "--rootfs laid over with :O", async (podman) => {
  const found = await lines(
    podman,
    `mkdir ${podman.own}/root; tar -xf ${podman.box.path("rootfs.tar")} -C ${podman.own}/root
    $P $RUN --rootfs ${podman.own}/root:O sh -c 'echo above >/new; cat /new'; ls ${podman.own}/root/new 2>/dev/null || echo none`,
  );
  expect(found).toEqual(["above", "none"]);
});

operation(BOTH, "--read-only-tmpfs", async (podman) => {
  const words = (value: boolean) =>
    `$P $RUN --read-only --read-only-tmpfs=${value} busybox sh -c 'for d in /tmp /run /var/tmp /dev/shm; do touch $d/x 2>/dev/null; echo $?; done'`;
  expect(await lines(podman, words(true))).toEqual(["0", "0", "0", "0"]);
  expect((await lines(podman, words(false))).slice(0, 3)).toEqual(["1", "1", "1"]);
});

operation(BOTH, "options of /proc", async (podman) => {
  const words = "$P $RUN --security-opt proc-opts=hidepid=2 busybox grep ' /proc ' /proc/mounts";
  expect((await lines(podman, words))[0]).toMatch(/hidepid=(2|invisible)/);
});

operation(BOTH, "--device", async (podman) => {
  const words = "$P $RUN --device /dev/zero:/dev/own busybox sh -c 'test -c /dev/own && head -c 3 /dev/own | wc -c'";
  expect(await lines(podman, words)).toEqual(["3"]);
});

operation([root], "device by CDI, with its hook, and an annotation", async (podman) => {
  const { box } = podman;
  removeIfNew(box, "/run/cdi"); // Podman's older versions look nowhere else
  mkdirSync("/run/cdi", { recursive: true });
  describeDevice(box, "/run/cdi");
  box.defer(() => rmSync(`/run/cdi/${box.word}.json`));
  const flags = `--device ${CDI_DEVICE} --annotation org.example.word=given`;
  const found = await lines(podman, `$P $RUN ${flags} busybox sh -c '${CDI_SEEN}'`);
  expectDevice(box, found.join("\n"), { "org.example.word": "given" });
});
