import type { Id } from "../base/json-text.ts";
import { MAX_CHUNK_BYTES } from "../protocol.ts";
import type { RequestSink, ResponseHead } from "../request/response-body.ts";
import type { Call } from "./call.ts";

/** Sends an answer to a client as notifications, as fast as it reads. */
export class ResponseStream implements RequestSink {
  readonly sent = { bytes: 0, chunks: 0 };
  readonly #call: Call;
  readonly #token: { streamToken?: Id };

  constructor(call: Call, streamToken?: Id) {
    this.#call = call;
    this.#token = streamToken === undefined ? {} : { streamToken };
  }

  head(head: ResponseHead): Promise<void> {
    return this.#call.notify("response/head", { id: this.#call.id, ...head, ...this.#token });
  }

  async chunk(data: Buffer): Promise<void> {
    for (let from = 0; from < data.length; from += MAX_CHUNK_BYTES) {
      const part = data.subarray(from, from + MAX_CHUNK_BYTES);
      const seq = this.sent.chunks++;
      this.sent.bytes += part.length;
      await this.#call.notify("response/chunk", {
        ...{ id: this.#call.id, seq, data: part.toString("base64") },
        ...this.#token,
      });
    }
  }
}
