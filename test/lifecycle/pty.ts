// A terminal as a person has it in front of them: the test holds the master end and types; a program is started on the
// other end, as leader of a session and in the foreground. pty(7), setsid(1).

import { closeSync, constants, openSync } from "node:fs";
import { execa } from "execa";
import { Terminal } from "../root/harness/console.ts";
import { ioctl } from "../root/harness/libc.ts";
import { handedOn } from "../root/harness/runtime.ts";

const TCGETS = 0x5401;
const TIOCSWINSZ = 0x5414;
const TIOCSPTLCK = 0x4004_5431;
const TIOCGPTN = 0x8004_5430;
const TERMIOS_SIZE = 36;
const C_LFLAG = 12;
const ICANON = 2;

export class Screen extends Terminal implements Disposable {
  readonly #master: number;
  readonly #slave: number;

  static open(): Screen {
    const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY);
    const number = Buffer.alloc(4);
    ioctl(master, TIOCSPTLCK, Buffer.alloc(4));
    ioctl(master, TIOCGPTN, number);
    const name = `/dev/pts/${number.readUInt32LE()}`;
    return new Screen(master, openSync(name, constants.O_RDWR | constants.O_NOCTTY), name);
  }

  private constructor(master: number, slave: number, name: string) {
    super(master, name);
    this.#master = master;
    this.#slave = slave;
  }

  /** Starts a program on it; it is killed when a minute has passed. */
  run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const stdio = handedOn(this.#slave);
    const options = { reject: false, timeout: 60_000, killSignal: "SIGKILL", env } as const;
    return execa("setsid", ["-c", program, ...args], { ...options, stdio: [stdio, stdio, stdio] });
  }

  /** Changes its size, as one does who pulls at the window. */
  resize(rows: number, columns: number): void {
    const size = Buffer.alloc(8);
    size.writeUInt16LE(rows, 0);
    size.writeUInt16LE(columns, 2);
    ioctl(this.#master, TIOCSWINSZ, size);
  }

  /** Its modes: `struct termios` as hexadecimal digits. */
  modes(): string {
    return this.#modes().toString("hex");
  }

  /** Whether every key goes to the program at once. */
  isRaw(): boolean {
    return (this.#modes().readUInt32LE(C_LFLAG) & ICANON) === 0;
  }

  #modes(): Buffer {
    const modes = Buffer.alloc(TERMIOS_SIZE);
    ioctl(this.#master, TCGETS, modes);
    return modes;
  }

  [Symbol.dispose](): void {
    closeSync(this.#slave);
    this.close();
  }
}
