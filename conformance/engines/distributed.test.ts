// The configuration of Docker, Podman and containerd that docs/distributed.md shows to those who have Swarm or Nomad above them.

import { writeFileSync } from "node:fs";
import { expect } from "vitest";
import type { Json } from "../../test/root/harness/config.ts";
import { except, needs, program } from "../../test/root/harness/needs.ts";
import { runtimeKind } from "../../test/root/harness/runtime.ts";
import { startContainerd } from "./containerd.ts";
import { adapt, blockOfPage, INSTALLED } from "./cri/page.ts";
import { startDockerd, WITHOUT_NAT } from "./dockerd.ts";
import {
  cgroupDriver,
  cgroupParent,
  client,
  imageTar,
  removeIfNew,
  removeParentCgroups,
  rootfsTar,
  runtimeProgram,
} from "./engine.ts";

const PIDS = ["sh", "-c", "echo $$"];

needs(
  program("dockerd"),
  program("docker"),
  program("containerd"),
)("docker: default runtime by daemon.json, as docs/distributed.md has it", async ({ box }) => {
  const page = JSON.parse(adapt(blockOfPage("{"), INSTALLED, runtimeProgram(box))) as Json;
  const { call: docker } = await startDockerd(box, { file: { ...page, ...WITHOUT_NAT }, runtime: [] });
  expect((await docker("info", "--format", "{{.DefaultRuntime}}")).stdout).toBe("tsrun\n");
  expect(await docker("run", "--rm", "--network=none", "busybox", ...PIDS)).toMatchObject({ code: 0, stdout: "1\n" });
  expect((await docker("service", "create", "--help")).stdout).not.toContain("--runtime");
});

needs(program("podman"), program("conmon"))(
  "podman: default runtime by containers.conf, as docs/distributed.md has it",
  async ({ box }) => {
    const block = blockOfPage("# /etc/containers/containers.conf.d/tsrun.conf");
    writeFileSync(box.path("containers.conf"), adapt(block, INSTALLED, runtimeProgram(box)));
    process.env.CONTAINERS_CONF = box.path("containers.conf");
    box.defer(() => {
      delete process.env.CONTAINERS_CONF;
    });
    removeIfNew(box, "/var/lib/cni", "/run/libpod", "/run/containers");
    removeParentCgroups(box);
    const podman = client(box, "podman", [
      ...["--root", box.path("storage"), "--runroot", box.path("run"), "--tmpdir", box.path("tmp")],
      ...["--storage-driver", "vfs", "--events-backend", "none", "--cgroup-manager", cgroupDriver],
    ]);
    expect(await podman("import", rootfsTar(box), "busybox")).toMatchObject({ code: 0 });
    const info = await podman("info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}");
    expect(info.stdout).toBe(`tsrun ${runtimeProgram(box)}\n`);
    const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    const run = ["run", "--rm", "--network=none", "--cgroup-parent", cgroupParent(box), ...limits, "busybox"];
    expect(await podman(...run, ...PIDS)).toMatchObject({ code: 0, stdout: "1\n" });
  },
);

needs(
  program("containerd"),
  program("ctr"),
  program("containerd-shim-runc-v2"),
  except({ crun: "its errors do not name it" }),
)("containerd: the runtime as runc on its PATH, as docs/distributed.md has it", async ({ box }) => {
  const disabled = ["grpc.v1.cri", "internal.v1.opt", "nri.v1.nri"];
  const { call: ctr } = await startContainerd(box, { disabled, asRunc: true });
  const image = "localhost/busybox:latest";
  expect(await ctr("image", "import", imageTar(box, image))).toMatchObject({ code: 0 });
  const where = ["--fifo-dir", box.path("fifo")];
  expect(await ctr("run", "--rm", ...where, image, "one", ...PIDS)).toMatchObject({ code: 0, stdout: "1\n" });
  const failed = await ctr("run", "--rm", "--cwd", "/etc/passwd", ...where, image, "two", "true");
  expect(failed.stderr).toContain(`OCI runtime create failed: ${runtimeKind} create failed`);
});
