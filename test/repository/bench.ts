import { fileURLToPath } from "node:url";
import test from "ava";
import { run } from "../helpers/child.ts";

const ALL = fileURLToPath(new URL("../../bench/all.js", import.meta.url));

// What they measure is judged by `npm run bench`, on a machine that does nothing else.
test("every bench runs, and leaves a row for each target", async (t) => {
  t.timeout(180_000);
  const { code, stdout, stderr } = await run(t, process.execPath, [ALL, "--quick"]);
  t.is(code, 0, stderr);
  for (const what of [
    "getToken, one connection, base",
    "getToken, 8 × 16 in flight, lines",
    "getToken, CPU a request, 8 × 16 in flight, lines",
    "getToken with a store, of one without",
    "getToken, a connection for each call",
    "getToken, the client in JavaScript",
    "beside agents: 64 connections",
    "beside agents: a connection for each call",
    "getToken p99 beside a stalled issuer",
    "authorizedRequest, small answer",
    "authorizedRequest, 10 MiB streamed",
    "a body of 10 MiB up, streamed",
    "idle RSS with four credentials, before the first network call",
    "credentials, ready",
    "credentials, pending timers",
    "getToken calls, growth of RSS",
    "authd serve, ready",
    "the whole process",
  ]) {
    t.true(stdout.includes(what), what);
  }
});
