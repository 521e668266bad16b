import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { startApi } from "./api.ts";
import type { Scope } from "./scope.ts";

/** A request as the issuer got it. */
export interface RecordedRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  form: URLSearchParams;
}

/** What it answers: status 200 unless told otherwise; `json` also sets the content type. */
export interface StubResponse {
  status?: number;
  headers?: Record<string, string>;
  json?: unknown;
  body?: string | Buffer;
}

/** An answer, or what makes one; a function that gives nothing has answered by itself, or never will. */
export type Responder =
  | StubResponse
  | ((seen: RecordedRequest, response: ServerResponse) => StubResponse | undefined);

export interface Issuer {
  /** `http://127.0.0.1:PORT`. */
  origin: string;
  /** Its token endpoint. */
  url: string;
  requests: RecordedRequest[];
  /** Changes what it answers from now on. */
  answer(answering: Responder): void;
}

/** An HTTP server that answers as told, until the test ends. */
export async function startIssuer(t: Scope, answering: Responder): Promise<Issuer> {
  const requests: RecordedRequest[] = [];
  let current = answering;
  const { origin } = await startApi(t, ({ method, url: path, headers, body: bytes }, response) => {
    response.on("error", () => {});
    const body = bytes.toString();
    const seen = { method, path, headers, body, form: new URLSearchParams(body) };
    requests.push(seen);
    const answer = typeof current === "function" ? current(seen, response) : current;
    if (answer) send(response, answer);
  });
  return {
    origin,
    url: `${origin}/token`,
    requests,
    answer(next) {
      current = next;
    },
  };
}

function send(response: ServerResponse, { status = 200, headers, json, body }: StubResponse): void {
  const type = json === undefined ? {} : { "content-type": "application/json" };
  response.writeHead(status, { ...type, ...headers });
  response.end(json === undefined ? body : JSON.stringify(json));
}
