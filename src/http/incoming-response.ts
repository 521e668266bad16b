import type { Readable } from "node:stream";
import type { HttpResponse } from "./http.ts";
import type { IncomingBody } from "./incoming-body.ts";

/** A response whose head has come. */
export class IncomingResponse implements HttpResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: HttpResponse["headers"];
  readonly connection: object;
  readonly reused: boolean;
  readonly #body: IncomingBody;

  constructor(
    { status, statusText, headers, connection, reused }: Omit<HttpResponse, "body" | "whole">,
    body: IncomingBody,
  ) {
    this.status = status;
    this.statusText = statusText;
    this.headers = headers;
    this.connection = connection;
    this.reused = reused;
    this.#body = body;
  }

  get body(): Readable {
    return this.#body.stream;
  }

  whole(): Buffer | undefined {
    return this.#body.whole();
  }
}
