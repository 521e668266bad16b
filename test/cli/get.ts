import test from "ava";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { startRealtyna } from "../../src/sandbox/realtyna.ts";
import { makeHome, startDaemon } from "../helpers/daemon.ts";

test("get prints the token and a newline, nothing else", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  const added = await daemon.add("labelf", api);
  t.is(added.code, 0, added.stderr);
  t.regex(added.stdout, /labelf is added: ● ready/);
  t.regex(added.stdout, /Next: authd get labelf/);

  const { code, stdout, stderr } = await daemon.cli(["get", "labelf"]);
  t.is(code, 0, stderr);
  t.regex(stdout, /^\S+\n$/);
  t.is(stderr, "");

  const again = await daemon.cli(["get", "labelf"]);
  t.is(again.stdout, stdout, "the token is kept");
  const fresh = await daemon.cli(["get", "labelf", "--refresh"]);
  t.is(fresh.code, 0);
});

test("get says when a token is good for less than was asked for", async (t) => {
  const api = await startLabelf({ tokenLifetime: 60 });
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  const short = await daemon.cli(["get", "labelf", "--min-validity", "600"]);
  t.is(short.code, 0);
  t.regex(short.stdout, /^\S+\n$/);
  t.regex(short.stderr, /^authd: labelf: this token is good for \d+ s, not for 600 s/);
  t.is((await daemon.cli(["get", "labelf", "--min-validity", "20"])).stderr, "");
});

test("get --format header prints every header that the API wants, as curl reads them", async (t) => {
  const api = await startRealtyna();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("realtyna", api)).code, 0);

  const token = (await daemon.cli(["get", "realtyna"])).stdout.trim();
  const { stdout } = await daemon.cli(["get", "realtyna", "--format", "header"]);
  const lines = stdout.trimEnd().split("\n").sort();
  t.deepEqual(
    lines.map((line) => line.split(":")[0]),
    ["Authorization", "Origin", "Referer", "X-Api-Key"],
  );
  t.is(lines[0], `Authorization: ${token}`);

  const json = JSON.parse((await daemon.cli(["get", "realtyna", "--format", "json"])).stdout);
  t.is(json.accessToken, token);
  t.is(json.headers.authorization, token);
});

test("get --format header says that headers are not enough where the token goes into the query", async (t) => {
  const daemon = await startDaemon(t);
  const settings = ["--set", "origins=https://api.example.com", "--set", "query.api_key={token}"];
  const input = JSON.stringify({ token: "a-fixed-token" });
  const add = ["add", "api", "--grant", "static", ...settings, "--secrets-from", "-"];
  t.is((await daemon.cli(add, { input })).code, 0);
  const { code, stdout, stderr } = await daemon.cli(["get", "api", "--format", "header"]);
  t.deepEqual([code, stdout], [2, ""]);
  t.regex(stderr, /api: its API wants api_key in the query.*authd request api URL/s);
  t.is((await daemon.cli(["get", "api"])).stdout, "a-fixed-token\n");
});

test("get says what is wrong on stderr, with an exit code for each reason", async (t) => {
  const daemon = await startDaemon(t);
  const unknown = await daemon.cli(["get", "nothing"]);
  t.is(unknown.code, 4);
  t.is(unknown.stdout, "");
  t.regex(unknown.stderr, /^authd: .*nothing/);

  for (const args of [
    ["get"],
    ["get", "a", "b"],
    ["get", "a", "--format", "xml"],
    ["get", "a", "--timeout", "soon"],
    ["get", "a", "--min-validity", "-1"],
    ["get", "a", "--refesh"],
  ]) {
    const { code, stdout, stderr } = await daemon.cli(args);
    t.is(code, 2, args.join(" "));
    t.is(stdout, "");
    t.regex(stderr, /^authd: /);
  }
  t.regex((await daemon.cli(["get", "a", "--refesh"])).stderr, /Did you mean --refresh/);
});

test("without a daemon the exit code is 3, and the message says how to start one", async (t) => {
  const home = makeHome(t);
  for (const args of [["get", "x"], ["list"], ["status"], ["request", "x", "https://a.example/"]]) {
    const { code, stdout, stderr } = await home.cli(args);
    t.is(code, 3, args.join(" "));
    t.is(stdout, "");
    t.regex(stderr, /No daemon answers on .*authd\.sock/);
    t.regex(stderr, /authd serve/);
  }
});
