// Serves the model on a mount point, by the kernel's FUSE protocol: fuse(4), <linux/fuse.h>. A process of its own, since who
// uses the mount waits for it. Ends when it is unmounted, or with the process that started it.
//
//    node fuse.ts MOUNTPOINT

import { openSync, readSync, writeSync } from "node:fs";
import koffi from "koffi";
import { type Directory, ENOENT, EPERM, type File, Refusal, Resctrl } from "./model.ts";

const ENODEV = "ENODEV";
const ENOSYS = 38;
const EACCES = 13;
/** <linux/fuse.h>: opcodes; struct fuse_in_header is 40 bytes, fuse_out_header 16. */
const OP = {
  ...{ LOOKUP: 1, FORGET: 2, GETATTR: 3, SETATTR: 4, MKDIR: 9, UNLINK: 10, RMDIR: 11, OPEN: 14, READ: 15, WRITE: 16 },
  ...{ STATFS: 17, RELEASE: 18, FLUSH: 25, INIT: 26, OPENDIR: 27, READDIR: 28, RELEASEDIR: 29, CREATE: 35 },
  ...{ INTERRUPT: 36, DESTROY: 38, BATCH_FORGET: 42 },
} as const;
const IN_HEADER = 40;
const OUT_HEADER = 16;
const FOPEN_DIRECT_IO = 1;

const nodes: (File | Directory)[] = [];
const EMPTY = Buffer.alloc(0);

function idOf(node: File | Directory): bigint {
  const known = nodes.indexOf(node);
  return BigInt(known >= 0 ? known : nodes.push(node) - 1);
}

function attributes(node: File | Directory): Buffer {
  const bytes = Buffer.alloc(88);
  bytes.writeBigUInt64LE(idOf(node), 0);
  bytes.writeUInt32LE("entries" in node ? 0o40755 : node.write === undefined ? 0o100444 : 0o100644, 60);
  bytes.writeUInt32LE("entries" in node ? 2 : 1, 64);
  return bytes;
}

/** struct fuse_entry_out: nothing of it may be kept, so every look-up comes here. */
function entry(node: File | Directory): Buffer {
  const bytes = Buffer.alloc(40);
  bytes.writeBigUInt64LE(idOf(node), 0);
  return Buffer.concat([bytes, attributes(node)]);
}

function directory(node: File | Directory | undefined): Directory {
  if (node === undefined || !("entries" in node)) throw new Refusal(ENOENT);
  return node;
}

function file(node: File | Directory | undefined): File {
  if (node === undefined || "entries" in node) throw new Refusal(ENOENT);
  return node;
}

function child(node: File | Directory | undefined, name: string): File | Directory {
  const found = directory(node).entries.get(name);
  if (found === undefined) throw new Refusal(ENOENT);
  return found;
}

function nameIn(body: Buffer, at = 0): string {
  return body.toString("utf8", at, body.indexOf(0, at));
}

type Handler = (node: File | Directory | undefined, body: Buffer) => Buffer;

const slice = (all: Buffer, body: Buffer): Buffer => {
  const offset = Number(body.readBigUInt64LE(8));
  return all.subarray(offset, offset + body.readUInt32LE(16));
};

const attributesOf: Handler = (node) => {
  if (node === undefined) throw new Refusal(ENOENT);
  return Buffer.concat([Buffer.alloc(16), attributes(node)]);
};

const opened: Handler = () => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(FOPEN_DIRECT_IO, 8);
  return bytes;
};

const HANDLERS: Readonly<Record<number, Handler>> = {
  [OP.INIT]: () => {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32LE(7, 0);
    bytes.writeUInt32LE(31, 4);
    bytes.writeUInt32LE(65536, 20); // max_write
    return bytes;
  },
  [OP.LOOKUP]: (node, body) => entry(child(node, nameIn(body))),
  [OP.GETATTR]: attributesOf,
  [OP.SETATTR]: attributesOf,
  [OP.MKDIR]: (node, body) => {
    const name = nameIn(body, 8);
    const parent = directory(node);
    if (parent.mkdir === undefined) throw new Refusal(EPERM);
    parent.mkdir(name);
    return entry(child(node, name));
  },
  [OP.RMDIR]: (node, body) => {
    const parent = directory(node);
    child(node, nameIn(body));
    if (parent.rmdir === undefined) throw new Refusal(EPERM);
    parent.rmdir(nameIn(body));
    return EMPTY;
  },
  [OP.UNLINK]: () => {
    throw new Refusal(EPERM);
  },
  [OP.CREATE]: () => {
    throw new Refusal(EACCES);
  },
  [OP.OPEN]: opened,
  [OP.OPENDIR]: opened,
  [OP.READ]: (node, body) => slice(Buffer.from(file(node).read()), body),
  [OP.WRITE]: (node, body) => {
    const size = body.readUInt32LE(16);
    const { write } = file(node);
    if (write === undefined) throw new Refusal(EACCES);
    write(body.toString("utf8", 40, 40 + size));
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(size, 0);
    return bytes;
  },
  [OP.READDIR]: (node, body) => {
    const from = Number(body.readBigUInt64LE(8));
    const all = [...directory(node).entries].map(([name, each], i) => {
      const bytes = Buffer.alloc(24 + Math.ceil(Buffer.byteLength(name) / 8) * 8);
      bytes.writeBigUInt64LE(idOf(each), 0);
      bytes.writeBigUInt64LE(BigInt(i + 1), 8);
      bytes.writeUInt32LE(Buffer.byteLength(name), 16);
      bytes.writeUInt32LE("entries" in each ? 4 : 8, 20);
      bytes.write(name, 24);
      return bytes;
    });
    return Buffer.concat(all.slice(from));
  },
  [OP.STATFS]: () => Buffer.alloc(80),
  [OP.RELEASE]: () => EMPTY,
  [OP.RELEASEDIR]: () => EMPTY,
  [OP.FLUSH]: () => EMPTY,
  [OP.DESTROY]: () => EMPTY,
};
const UNANSWERED: readonly number[] = [OP.FORGET, OP.BATCH_FORGET, OP.INTERRUPT];

function answer(request: Buffer): Buffer | undefined {
  const opcode = request.readUInt32LE(4);
  if (UNANSWERED.includes(opcode)) return undefined;
  const out = Buffer.alloc(OUT_HEADER);
  let body: Buffer = EMPTY;
  try {
    const handler = HANDLERS[opcode];
    if (handler === undefined) throw new Refusal(ENOSYS);
    body = handler(nodes[Number(request.readBigUInt64LE(16))], request.subarray(IN_HEADER));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    out.writeInt32LE(-error.errno, 4);
  }
  out.writeUInt32LE(OUT_HEADER + body.length, 0);
  request.copy(out, 8, 8, 16);
  return Buffer.concat([out, body]);
}

function mount(fd: number, place: string): void {
  const libc = koffi.load("libc.so.6");
  libc.func("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)")(1, 9, 0, 0, 0);
  const call = libc.func("int mount(const char *, const char *, const char *, unsigned long, const char *)");
  const options = `fd=${fd},rootmode=40000,user_id=0,group_id=0`;
  if (call("resctrl", place, "fuse", 0, options) !== 0) throw new Error(`cannot mount a FUSE on ${place}`);
}

const fuse = openSync("/dev/fuse", "r+");
nodes.push({ entries: new Map() }, new Resctrl().root); // the root is node 1
mount(fuse, process.argv[2] ?? "");
console.log("mounted");
const buffer = Buffer.alloc(1 << 20);
for (;;) {
  try {
    const length = readSync(fuse, buffer, 0, buffer.length, null);
    const reply = answer(buffer.subarray(0, length));
    if (reply !== undefined) writeSync(fuse, reply);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === ENODEV) break; // unmounted
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // the asker has been killed
  }
}
