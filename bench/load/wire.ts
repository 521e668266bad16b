import type * as net from "node:net";

/** Why a request has no result; `closed` when its connection ended first. */
export class Refused extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

const ID = /^\{"jsonrpc":"2.0","id":(\d+|null),"(result|error)"/;

/** One connection, in lines; looks no further into an answer than it must, so that it costs little. */
export class Wire {
  readonly socket: net.Socket;
  readonly closed: Promise<void>;
  /** Why the daemon ended the connection, if it said so. */
  parting: string | undefined;
  readonly #waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  #lastId = 0;
  #held: string[] = [];

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("error", () => {});
    socket.on("data", (text) => this.#read(text as unknown as string));
    this.closed = new Promise((resolve) => {
      const end = () => {
        resolve();
        for (const { reject } of this.#waiting.values())
          reject(new Refused(this.parting ?? "closed"));
        this.#waiting.clear();
      };
      socket.once("end", end).once("close", end);
    });
  }

  get inFlight(): number {
    return this.#waiting.size;
  }

  /** Rejects with Refused. */
  ask({ method, params }: { method: string; params: object }): Promise<void> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed || this.socket.readableEnded)
        return reject(new Refused(this.parting ?? "closed"));
      this.#waiting.set(id, { resolve, reject });
      this.socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  #read(text: string): void {
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      this.#line(this.#held.join("") + text.slice(start, end));
      this.#held = [];
      start = end + 1;
    }
    if (start < text.length) this.#held.push(text.slice(start));
  }

  #line(line: string): void {
    const [, id, kind] = ID.exec(line) ?? [];
    if (id === undefined) return;
    const reason = kind === "error" ? /"reason":"(\w+)"/.exec(line)?.[1] : undefined;
    if (id === "null") {
      this.parting = reason ?? "closed";
      return;
    }
    const waiting = this.#waiting.get(Number(id));
    this.#waiting.delete(Number(id));
    if (kind === "result") waiting?.resolve();
    else waiting?.reject(new Refused(reason ?? "internal"));
  }
}
