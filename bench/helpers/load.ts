/** A client that costs as little as it can, so that what is measured is the other end. */
import * as net from "node:net";
import { FrameParser, type Framing, frame } from "../../src/rpc/frame-parser.ts";

/** A connection that keeps `width` equal requests in flight until it has had `total` answers. */
export class Load {
  readonly #socket: net.Socket;
  readonly #requests: Buffer[];
  #onAnswer: (body: Buffer) => void = () => {};

  private constructor(socket: net.Socket, requests: Buffer[]) {
    this.#socket = socket;
    this.#requests = requests;
    const parser = new FrameParser(16 * 1024 * 1024, (body) => this.#onAnswer(body));
    socket.on("data", (chunk) => parser.push(chunk));
  }

  static open(
    path: string,
    framing: Framing,
    width: number,
    params: object,
    method = "getToken",
  ): Promise<Load> {
    const requests = Array.from({ length: width }, (_, id) => {
      const json = JSON.stringify({ jsonrpc: "2.0", id, method, params });
      return Buffer.from(frame(framing, json, Buffer.byteLength(json)));
    });
    return new Promise((resolve, reject) => {
      const socket = net.connect(path, () => resolve(new Load(socket, requests)));
      socket.once("error", reject);
    });
  }

  /** Sends as many requests as a chunk of answers has brought, in one write. */
  run(total: number): Promise<void> {
    const width = this.#requests.length;
    let sent = 0;
    let answered = 0;
    let due = 0;
    const send = () => {
      const batch: Buffer[] = [];
      for (; due > 0 && sent < total; due--) batch.push(this.#requests[sent++ % width]!);
      due = 0;
      if (batch.length === 1) this.#socket.write(batch[0]!);
      else if (batch.length > 1) this.#socket.write(Buffer.concat(batch));
    };
    return new Promise((resolve) => {
      this.#onAnswer = () => {
        answered++;
        if (due++ === 0) queueMicrotask(send);
        if (answered === total) resolve();
      };
      due = width;
      send();
    });
  }

  /** One request; resolves with the answer as it came. */
  ask(): Promise<{ result?: object; error?: { message: string; data: { reason: string } } }> {
    return new Promise((resolve) => {
      this.#onAnswer = (body) => resolve(JSON.parse(body.toString()));
      this.#socket.write(this.#requests[0]!);
    });
  }

  /** Milliseconds of each of `count` round trips, one after the other. */
  async times(count: number): Promise<number[]> {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const startedAt = performance.now();
      await this.run(1);
      times.push(performance.now() - startedAt);
    }
    return times;
  }

  close(): void {
    this.#socket.destroy();
  }
}
