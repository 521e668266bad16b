/** Time limits after the process stood still; alone in its file, as that would befall other tests, too. */
import test from "ava";
import { createHttp } from "../../src/http/http.ts";
import { startApi } from "../helpers/api.ts";

test("a connection that opened while the process stood still is in time", async (t) => {
  const api = await startApi(t, (_, response) => void response.end("here"));
  const http = createHttp();
  t.teardown(() => http.close());
  const request = { method: "GET", url: api.origin, headers: {} };
  // Loads the transport.
  (await http(request)).body.resume();
  const answered = http({ ...request, freshConnection: true, connectTimeoutMs: 50 });
  // The handshake is the system's: it has begun when all promises have had their turn.
  for (let i = 0; i < 100; i++) await undefined;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  const { status, body } = await answered;
  t.is(status, 200);
  body.resume();
});
