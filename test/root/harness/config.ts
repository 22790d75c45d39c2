// Bundle configurations for tests: `config(overrides)` lays overrides over a small container that works (own pid, mount,
// ipc, uts and network namespaces, no terminal, root with all the capabilities that busybox could want).
// Objects are merged, arrays and scalars are replaced, `undefined` removes a field.

/** A JSON object. */
export type Json = { [key: string]: unknown };

const CAPABILITIES = [
  "CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_MKNOD CAP_NET_ADMIN",
  "CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_ADMIN CAP_SYS_CHROOT",
  "CAP_SYS_NICE",
].flatMap((line) => line.split(" "));

/** The mounts of a container that nothing special is asked of. */
export const MOUNTS: readonly Json[] = [
  { destination: "/proc", type: "proc", source: "proc" },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
  },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
];

/** The namespaces of a container that nothing special is asked of. */
const NAMESPACES: readonly Json[] = ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type }));

function base(): Json {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ["true"],
      env: ["PATH=/bin"],
      cwd: "/",
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
      noNewPrivileges: false,
    },
    root: { path: "rootfs", readonly: false },
    hostname: "box",
    mounts: MOUNTS,
    linux: { namespaces: NAMESPACES, resources: { devices: [{ allow: false, access: "rwm" }] } },
  };
}

/** A configuration: the overrides, in order, over the base. */
export function config(...overrides: readonly Json[]): Json {
  return overrides.reduce(merge, base());
}

/** Overrides that run a shell script as the container's process. */
export function sh(script: string): Json {
  return { process: { args: ["sh", "-c", script] } };
}

/** Overrides that keep the container's process waiting until it is killed. TERM ends it, as PID 1 must arrange itself. */
export function idle(): Json {
  return sh("trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done");
}

/** Overrides that add mounts after the usual ones. */
export function mounts(...more: readonly Json[]): Json {
  return { mounts: [...MOUNTS, ...more] };
}

/** Overrides that replace the namespaces: names for new ones, `name=path` for those to join. */
export function namespaces(...words: readonly string[]): Json {
  const list = words.map((word) => {
    const [type, path] = word.split("=");
    return path === undefined ? { type } : { type, path };
  });
  return { linux: { namespaces: list } };
}

/** Overrides of one object inside `linux`. */
export function linux(fields: Json): Json {
  return { linux: fields };
}

/** Lays one JSON object over another; neither is changed. */
export function merge(under: Json, over: Json): Json {
  const merged: Json = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    if (value === undefined) delete merged[key];
    else merged[key] = isObject(old) && isObject(value) ? merge(old, value) : value;
  }
  return merged;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
