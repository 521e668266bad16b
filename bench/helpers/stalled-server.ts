/** An issuer that takes every request and never answers. Tells its origin. */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { ready } from "./ready.ts";

const server = http.createServer(() => {});
server.listen(0, "127.0.0.1", () => {
  ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
