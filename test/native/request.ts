/** `authd request`, native and Node's, with the same words, answers and exit codes. */
import test, { type ExecutionContext } from "ava";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { run } from "../helpers/child.ts";
import { makeHome, startDaemon } from "../helpers/daemon.ts";
import { copyNative, NODE_COMMAND, runBoth } from "../helpers/native.ts";
import { startScriptedDaemon } from "../helpers/scripted-daemon.ts";

const URL = "https://api.example.com/x";

/** An answer to request 1 as the daemon sends it: its head, the chunks of its body, and the result. */
function stream(
  head: { status?: number; headers?: object; statusText?: string },
  chunks: readonly Buffer[] = [],
  result: object = {},
): string {
  const whole = { status: 200, statusText: "OK", headers: {}, url: URL, ...head };
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const messages = [
    { method: "response/head", params: { id: 1, ...whole } },
    ...chunks.map((chunk, seq) => ({
      method: "response/chunk",
      params: { id: 1, seq, data: chunk.toString("base64") },
    })),
    { id: 1, result: { ...whole, refreshed: false, chunks: chunks.length, bytes, ...result } },
  ];
  return messages.map((message) => JSON.stringify({ jsonrpc: "2.0", ...message })).join("\n");
}

async function scripted(
  t: ExecutionContext,
  answer: (params: unknown) => string,
): Promise<NodeJS.ProcessEnv> {
  const socket = await startScriptedDaemon(t, (_, params) => answer(params));
  return { ...makeHome(t).env, AUTHD_SOCKET: socket };
}

test("the request that the daemon gets", async (t) => {
  const native = copyNative(t);
  const seen: unknown[] = [];
  const env = await scripted(t, (params) => {
    seen.push(params);
    return stream({});
  });
  for (const words of [
    [URL],
    ["DELETE", URL],
    ["-X", "PUT", URL, "--timeout=5"],
    ["-XPATCH", URL, "-d", '{"a": [1, 2]}'],
    [URL, "-d", "a=1&b=é", "-H", "X-One: 1", "-HX-One:  2 ", "-H", "accept:x:y"],
    [URL, "-d", "", "-isS"],
    ["not a url", "-d7", "-H", "Content-Type: text/plain"],
  ]) {
    const { byNode, byNative } = await runBoth(t, native, ["request", "c", ...words], env);
    t.deepEqual(byNative, byNode, words.join(" "));
    t.is(byNode.code, 0, byNode.stderr);
    const [first, second] = seen.splice(0);
    t.truthy(first);
    t.deepEqual(second, first, words.join(" "));
  }
});

test("every kind of answer", async (t) => {
  const native = copyNative(t);
  const body = [Buffer.from([0, 255, 10, 128]), Buffer.from("é\n"), Buffer.alloc(40_000, "x")];
  const to = (location: string) => ({ status: 302, statusText: "Found", headers: { location } });
  const error = (reason: string, more = {}) =>
    JSON.stringify({
      ...{ jsonrpc: "2.0", id: 1 },
      error: { code: 1, message: "m", data: { reason, credential: "c", ...more } },
    });
  const headers = { "content-type": "text/plain", "set-cookie": ["a=1", "b=\u001b[1m2"] };
  for (const [words, answer, code] of [
    [[], stream({}, body), 0],
    [["-i"], stream({ headers }, body), 0],
    [[], stream({ status: 404, statusText: "Not Found" }, body), 0],
    [["-f"], stream({ status: 404 }, body), 1],
    [["-fs"], stream({ status: 500 }, body), 1],
    [["--fail-with-body"], stream({ status: 500 }, body), 1],
    [[], stream(to("https://b.example/y"), body), 0],
    [["-f"], stream(to("//b.example/y"), body), 1],
    [["-f"], stream(to("/y"), body), 0],
    [[], stream({}, body, { chunks: 4 }), 1],
    [[], stream({}, body, { bytes: 4 }), 1],
    [[], stream({}, body).replace('"seq":1', '"seq":2'), 1],
    [["-s"], stream({}, body, { bytes: 4 }), 1],
    [[], error("origin_not_allowed"), 6],
    [["-s"], error("origin_not_allowed"), 6],
    [["-sS"], error("issuer_unavailable", { retryAfterMs: 5_000 }), 7],
  ] as const) {
    const env = await scripted(t, () => answer);
    const { byNode, byNative } = await runBoth(t, native, ["request", "c", ...words, URL], env);
    t.deepEqual(byNative, byNode, `${words.join(" ")} ${answer.slice(0, 200)}`);
    t.is(byNode.code, code, byNode.stderr);
  }
});

test("with a real daemon, and what is unusual by the Node command", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  const [alone, native] = [copyNative(t), copyNative(t, NODE_COMMAND)];
  const models = `${api.url}/v2/models`;
  const usual = await runBoth(t, alone, ["request", "labelf", models], daemon.env);
  t.deepEqual(usual.byNative, usual.byNode);
  t.regex(usual.byNative.stdout, /Guest reviews/);
  for (const words of [
    ["labelf", models, "-d", "@/nowhere"],
    ["labelf", `${api.url}/v2/../v2/models`, "-v"],
    ["labelf", "GET", models, "-X", "GET"],
    ["labelf", models, "-H", "nothing"],
    ["labelf", models, "--nonsense"],
    ["labelf"],
  ]) {
    const args = ["request", ...words];
    const { byNode, byNative } = await runBoth(t, native, args, daemon.env);
    const steady = ({ stdout, stderr, code }: typeof byNode) => {
      return { code, stdout, stderr: stderr.replace(/date: .*/, "date") };
    };
    t.deepEqual(steady(byNative), steady(byNode), words.join(" "));
    const { stderr } = await run(t, alone, args, { env: daemon.env });
    t.regex(stderr, /does not know where authd's Node command is/, words.join(" "));
  }
});
