import type { Socket } from "node:net";

/** Interval (ms) at which a half-closed client is probed. */
const HALF_CLOSE_PROBE_MS = 1000;
/** Time (ms) that a client has after `shutdown` to say `exit`: a write to a closed socket would be an error. */
const LEAVE_MS = 1000;

export interface GracefulEndOptions {
  socket: Socket;
  /** A client whose own side is open is cut off after so long. */
  cutAfterMs: number;
  /** True if nothing is in flight. */
  isAnswered(): boolean;
  /** Hands all that was answered to the system. */
  flush(): void;
  /** Called once, as soon as nothing more is taken from the client. */
  onEnd(): void;
}

/** Ends a connection whose client is done: nothing more is read, and all in flight is answered first. */
export class GracefulEnd {
  readonly #options: GracefulEndOptions;
  #leaving: NodeJS.Timeout | undefined;
  #probe: NodeJS.Timeout | undefined;
  #cut: NodeJS.Timeout | undefined;
  #hasBegun = false;

  constructor(options: GracefulEndOptions) {
    this.#options = options;
  }

  /** True once nothing more is taken from the client. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** True once the client has said that nothing but `exit` follows. */
  get isLeaving(): boolean {
    return this.#leaving !== undefined;
  }

  /** Ends the connection when the client says `exit`, or after a while. */
  leave(): void {
    this.#leaving ??= setTimeout(() => this.begin(), LEAVE_MS).unref();
  }

  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    clearTimeout(this.#leaving);
    this.#options.onEnd();
    this.endIfAnswered();
    if (this.#options.isAnswered()) return;
    // The end of a client's input does not tell whether it still listens; writing nothing does.
    const ask = () => this.#options.socket.write("");
    ask();
    this.#probe = setInterval(ask, HALF_CLOSE_PROBE_MS).unref();
  }

  /** Call after each answer. */
  endIfAnswered(): void {
    if (!this.#hasBegun || !this.#options.isAnswered()) return;
    const { socket, flush, cutAfterMs } = this.#options;
    flush();
    socket.destroySoon();
    if (socket.readableEnded) return;
    // Its own side is open: nobody else would notice if it takes nothing.
    this.#cut ??= setTimeout(() => socket.destroy(), cutAfterMs).unref();
  }

  /** The connection is gone. */
  close(): void {
    clearTimeout(this.#leaving);
    clearInterval(this.#probe);
    clearTimeout(this.#cut);
  }
}
