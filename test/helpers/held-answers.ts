import type { ServerResponse } from "node:http";
import type { RecordedRequest } from "./issuer.ts";

/** An issuer's answers, held back until the test lets them go, the oldest first. */
export class HeldAnswers {
  readonly #waiting: ServerResponse[] = [];

  /** What `startIssuer` takes. */
  readonly answer = (_seen: RecordedRequest, response: ServerResponse): undefined => {
    this.#waiting.push(response);
  };

  release(json: object, status = 200): void {
    const response = this.#waiting.shift();
    if (!response) throw new Error("no request waits for its answer");
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(json));
  }
}
