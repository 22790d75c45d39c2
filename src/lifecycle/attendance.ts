// What a foreground run or restore takes over from its caller while the container lives: signals and the terminal. A detached one
// catches none, and its terminal is somebody else's.

import type { SignalPipe } from "../linux/signal-pipe.ts";
import { consoleSender } from "./console.ts";
import { catchSignals, endingSignal } from "./foreground.ts";
import { TerminalProxy } from "./terminal-proxy.ts";

interface Flags {
  readonly detach: boolean;
  readonly consoleSocket: string | undefined;
}

/** Of one container. `undo` puts the terminal back, until it is waited for. */
export class Attendance {
  /** Takes the master end of the container's terminal over. */
  readonly onTerminal: (master: number, name: string) => void;
  #proxy: TerminalProxy | undefined;
  #signals: SignalPipe | undefined;
  readonly #detached: boolean;

  constructor({ detach, consoleSocket }: Flags, undo: DisposableStack) {
    this.#detached = detach;
    const serve = (master: number): void => {
      this.#proxy = undo.use(new TerminalProxy(master));
    };
    this.onTerminal = detach ? consoleSender(consoleSocket) : serve;
  }

  get proxy(): TerminalProxy | undefined {
    return this.#proxy;
  }

  /** Undefined for a detached one. */
  get signals(): SignalPipe | undefined {
    return this.#signals;
  }

  /** Before the first thing is made that a tsrun ended by a signal would leave. */
  readonly beforehand = (): void => {
    if (!this.#detached) this.#signals = catchSignals();
  };

  /** A signal that would have ended tsrun, and came while there was nothing yet that it could go on to. */
  ending(): number | undefined {
    return this.#signals && endingSignal(this.#signals);
  }
}
