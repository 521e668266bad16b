import { AuthdError } from "../errors.ts";
import type { AuthorizedResponse, Notifications } from "../protocol.ts";

/** Puts a streamed answer together, and notices if a part of it is missing. */
export class ReceivedStream {
  readonly #credential: string;
  #chunks = 0;
  #bytes = 0;

  constructor(credential: string) {
    this.#credential = credential;
  }

  /** Returns the next bytes of the body. Throws AuthdError if some before them did not come. */
  take({ seq, data }: Notifications["response/chunk"]): Buffer {
    if (seq !== this.#chunks) throw this.#incomplete(`chunk ${this.#chunks} did not come`);
    const bytes = Buffer.from(data, "base64");
    this.#chunks++;
    this.#bytes += bytes.length;
    return bytes;
  }

  /** Throws AuthdError if `result` counts more or less than came. */
  assertWhole({ chunks, bytes }: AuthorizedResponse): void {
    if (chunks === this.#chunks && bytes === this.#bytes) return;
    throw this.#incomplete(`${this.#bytes} of ${bytes} bytes came`);
  }

  #incomplete(what: string): AuthdError {
    const credential = this.#credential;
    const text = `${credential}: the answer from authd is not whole: ${what}`;
    return new AuthdError("request_failed", text, { credential });
  }
}
