import * as net from "node:net";
import { FrameParser, frame } from "../../src/rpc/frame-parser.ts";

interface Answer {
  id?: number;
  method?: string;
  params?: { data?: string };
  result?: object;
  error?: unknown;
}

/** One connection, one call at a time; what comes in chunks is decoded and counted. */
export class Caller {
  readonly #socket: net.Socket;
  #lastId = 0;
  #bytes = 0;
  #onAnswer: (answer: Answer) => void = () => {};

  constructor(path: string) {
    this.#socket = net.connect(path);
    const parser = new FrameParser(64 * 1024 * 1024, (body) => {
      const message = JSON.parse(body.toString()) as Answer;
      if (message.method === "response/chunk") {
        this.#bytes += Buffer.from(message.params?.data ?? "", "base64").length;
      } else if (message.id !== undefined) {
        this.#onAnswer(message);
      }
    });
    this.#socket.on("data", (chunk) => parser.push(chunk));
    this.#socket.on("error", ({ message }) => this.#onAnswer({ error: message }));
  }

  /** Resolves with the result, and with the bytes that came in chunks before it. */
  call<Result = object>(
    method: string,
    params: object,
  ): Promise<{ result: Result; bytes: number }> {
    this.#bytes = 0;
    const json = JSON.stringify({ jsonrpc: "2.0", id: ++this.#lastId, method, params });
    this.#socket.write(frame("base", json, Buffer.byteLength(json)));
    return new Promise((resolve, reject) => {
      this.#onAnswer = ({ result, error }) =>
        error
          ? reject(new Error(`${method}: ${JSON.stringify(error)}`))
          : resolve({ result: result as Result, bytes: this.#bytes });
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
