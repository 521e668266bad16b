import { decodeBase64 } from "../base/base64.ts";
import type { Cancellation } from "../base/cancellation.ts";
import { AuthdError } from "../errors.ts";
import {
  type AuthorizedResponse,
  type ChunkResult,
  DEFAULT_TIMEOUT_MS,
  type ParamsOf,
} from "../protocol.ts";
import { type Turn, UploadBody } from "./upload-body.ts";

/** How long a client may send nothing while the API waits for more. */
export const IDLE_MS = 60_000;

export interface UploadOptions {
  params: ParamsOf<"request/open">;
  /** Called when the beginning of the body is no longer kept. */
  onForgotten: () => void;
  /** Called when a client has got the response (`taken`), or never will. */
  onEnd: (how: "taken" | "lost") => void;
  idleMs: number;
}

/** One authorized request whose body a client sends in parts. */
export class Upload {
  readonly body: UploadBody;
  readonly #options: UploadOptions;
  readonly #controller = new AbortController();
  #answer: Promise<AuthorizedResponse> | undefined;
  #nextSeq = 0;
  #receivedBytes = 0;
  #hasLast = false;
  #isAnswered = false;
  #hasEnded = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: UploadOptions) {
    this.#options = options;
    this.body = new UploadBody({
      bytes: options.params.bodyBytes,
      onTurn: (turn) => this.#watch(turn),
      onForgotten: options.onForgotten,
    });
  }

  /** Aborted, with an AuthdError, if the request is given up. */
  get signal(): Cancellation {
    return this.#controller.signal;
  }

  /** Gives the request up: the API does not get the end of the body. */
  abort(reason: AuthdError): void {
    this.#controller.abort(reason);
  }

  /** Runs `request`. Resolves when it wants the first bytes; rejects if it fails before that. */
  async open(request: () => Promise<AuthorizedResponse>): Promise<void> {
    const answer = request().finally(() => {
      this.#isAnswered = true;
      this.body.close();
      // The client may never ask for the response.
      this.#watch("client");
    });
    this.#answer = answer;
    try {
      await Promise.race([this.body.wanted, answer]);
    } catch (error) {
      this.#end("lost");
      throw error;
    }
    answer.catch(() => {});
  }

  /**
   * Takes the next part. Resolves with nothing when the API wants more, or with the API's answer. A part
   * that is refused because of its `seq` or its base64 changes nothing.
   */
  async take(
    { seq, data, last = false }: ParamsOf<"request/chunk">,
    signal: Cancellation,
  ): Promise<ChunkResult> {
    const bytes = this.#accept(seq, data, last);
    const onAbort = () => this.abort(signal.reason as AuthdError);
    signal.addEventListener("abort", onAbort);
    try {
      const how = await this.body.push(bytes, last);
      return how === "taken" && !last ? {} : await this.#takeAnswer();
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #accept(seq: number, data: string, last: boolean): Buffer {
    if (this.#hasLast) throw this.#invalid("its last chunk has come already");
    if (seq !== this.#nextSeq) {
      throw this.#invalid(`chunk ${this.#nextSeq} comes next, not ${seq}: nothing of it was sent`);
    }
    const bytes = decodeBase64(data);
    if (!bytes) throw this.#invalid("data is not base64 (RFC 4648 section 4)");
    this.#nextSeq++;
    this.#hasLast = last;
    this.#receivedBytes += bytes.length;
    this.#assertAsAnnounced(last);
    return bytes;
  }

  /** Fails the upload if the number of bytes differs from the announced one: the body would be broken. */
  #assertAsAnnounced(isLast: boolean): void {
    const announced = this.#options.params.bodyBytes ?? this.#receivedBytes;
    const isWrong = isLast ? this.#receivedBytes !== announced : this.#receivedBytes > announced;
    if (!isWrong || this.#hasEnded) return;
    const what = this.#receivedBytes > announced ? "more" : "no more";
    const error = this.#invalid(
      `${what} than ${Math.min(this.#receivedBytes, announced)} bytes came, and bodyBytes says ${announced}: the request was given up`,
    );
    this.abort(error);
    this.#end("lost");
    throw error;
  }

  /** Returns the response to the first part that asks for it. */
  async #takeAnswer(): Promise<AuthorizedResponse> {
    try {
      const answer = await this.#answer!;
      if (this.#hasEnded) throw this.#invalid("an earlier chunk has got the answer");
      this.#end("taken");
      return answer;
    } catch (error) {
      this.#end("lost");
      throw error;
    }
  }

  #end(how: "taken" | "lost"): void {
    clearTimeout(this.#timer);
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#options.onEnd(how);
  }

  #watch(turn: Turn | undefined): void {
    clearTimeout(this.#timer);
    if (turn === undefined || this.#hasEnded) return;
    const { params, idleMs } = this.#options;
    const ms = turn === "client" ? idleMs : (params.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    this.#timer = setTimeout(() => this.#stalled(turn, ms), ms).unref();
  }

  #stalled(turn: Turn, ms: number): void {
    if (this.#isAnswered) {
      this.#end("lost");
      return;
    }
    const { credential, url } = this.#options.params;
    const who = turn === "client" ? "the client sent" : `${new URL(url).host} took`;
    const text = `${credential}: ${who} no more of the body within ${ms} ms: the request was given up`;
    this.abort(new AuthdError("timeout", text, { credential }));
  }

  #invalid(what: string): AuthdError {
    const { credential } = this.#options.params;
    return new AuthdError("invalid_params", `${credential}: the upload: ${what}.`, { credential });
  }
}
