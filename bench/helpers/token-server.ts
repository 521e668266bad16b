/** An issuer that gives everybody a token at once. Tells its origin. */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { ready } from "./ready.ts";

/** A token that is bound to a key where the request proves one (RFC 9449). */
const answers = ["Bearer", "DPoP"].map((token_type) =>
  JSON.stringify({ access_token: "bench", token_type, expires_in: 3_600 }),
);

const server = http.createServer((request, response) => {
  const answer = answers[request.headers.dpop === undefined ? 0 : 1];
  request.resume();
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    response.end(answer);
  });
});
server.listen(0, "127.0.0.1", () => {
  ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
