// What `kubectl exec` and `attach` speak with an engine: a WebSocket of the protocol v4.channel.k8s.io. The first byte of a message is
// its channel: 0 is standard input, 1 and 2 output, 3 a JSON status at the end, 4 the terminal's size.

const [STDIN, STDOUT, STDERR, STATUS, SIZE] = [0, 1, 2, 3, 4];

export class Stream {
  readonly #socket: WebSocket;
  readonly #text = new Map<number | undefined, string>();
  readonly #ended: Promise<void>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      const bytes = Buffer.from(data as ArrayBuffer);
      this.#text.set(bytes[0], this.#textOf(bytes[0]) + bytes.subarray(1).toString());
    });
    this.#ended = new Promise((resolve) => socket.addEventListener("close", () => resolve()));
  }

  /** Connects to the address that Exec or Attach answered. */
  static async open(url: string): Promise<Stream> {
    const socket = new WebSocket(url.replace(/^http/, "ws"), ["v4.channel.k8s.io"]);
    const stream = new Stream(socket);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", (event) => reject(new Error(`cannot connect to ${url}`, { cause: event })));
    });
    return stream;
  }

  write(text: string): void {
    this.#send(STDIN, text);
  }

  resize(Width: number, Height: number): void {
    this.#send(SIZE, JSON.stringify({ Width, Height }));
  }

  get stdout(): string {
    return this.#textOf(STDOUT);
  }

  /** Waits for the end: the exit code, and what was written. */
  async end(): Promise<{ code: number; stdout: string; stderr: string }> {
    await this.#ended;
    const status = JSON.parse(this.#textOf(STATUS) || '{"status":"none"}');
    const cause = status.details?.causes?.find((each: { reason: string }) => each.reason === "ExitCode");
    if (status.status !== "Success" && cause === undefined) throw new Error(`ended with ${JSON.stringify(status)}`);
    return { code: Number(cause?.message ?? 0), stdout: this.#textOf(STDOUT), stderr: this.#textOf(STDERR) };
  }

  close(): void {
    this.#socket.close();
  }

  #textOf(channel: number | undefined): string {
    return this.#text.get(channel) ?? "";
  }

  #send(channel: number | undefined, text: string): void {
    this.#socket.send(Buffer.concat([Buffer.from([channel ?? 0]), Buffer.from(text)]));
  }
}
