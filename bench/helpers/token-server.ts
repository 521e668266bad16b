/** An issuer that gives everybody a token at once. Tells its origin. */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { ready } from "./ready.ts";

const answer = JSON.stringify({ access_token: "bench", token_type: "Bearer", expires_in: 3_600 });

const server = http.createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    response.end(answer);
  });
});
server.listen(0, "127.0.0.1", () => {
  ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
