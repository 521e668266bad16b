/** Issuers that answer what no issuer should, or nothing: each costs its own credential a clear error. */
import { readFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { type AuthdError, type Client, connect } from "../../src/client.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { type Responder, startIssuer } from "../helpers/issuer.ts";
import { until } from "../helpers/until.ts";

const SECRET = "practice-secret-that-nobody-may-see";
const TOKEN = { json: { access_token: "good", token_type: "bearer", expires_in: 600 } };

async function setup(t: ExecutionContext, answering: Responder) {
  const issuer = await startIssuer(t, answering);
  const daemon = await startDaemon(t);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  await client.request("credentials/add", {
    name: "fine",
    grant: "static",
    secrets: { token: "x" },
  });
  return { issuer, daemon, client };
}

const add = (client: Client, token_url: string, grant = "client_credentials") =>
  client.request("credentials/add", {
    name: "demo",
    grant,
    settings: { token_url, client_id: "app" },
    secrets: { client_secret: SECRET },
  });

/** Adds it; a first answer that is no token's is an error, and keeps what was entered. */
async function addFailing(client: Client, token_url: string, grant?: string) {
  const error = await add(client, token_url, grant).then(
    () => undefined,
    (failure: AuthdError) => failure,
  );
  if (error && error.reason !== "issuer_unavailable") throw error;
  return await client.request("credentials/show", { credential: "demo" });
}

const failureOf = (promise: Promise<unknown>): Promise<AuthdError> =>
  promise.then(
    () => Promise.reject(new Error("it worked")),
    (error: AuthdError) => error,
  );

/** Resident memory of a process, MiB. */
function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

/** Whatever happened: the secret is kept, told to nobody, and a good answer puts all right. */
async function recovers(
  t: ExecutionContext,
  { issuer, daemon, client }: Awaited<ReturnType<typeof setup>>,
): Promise<void> {
  t.is((await client.getToken({ credential: "fine" })).accessToken, "x");
  issuer.answer(TOKEN);
  const info = await client.request("credentials/refresh", { credential: "demo" });
  t.is(info.state, "ready");
  const told = Buffer.from(issuer.requests.at(-1)?.headers.authorization?.slice(6) ?? "", "base64");
  t.is(told.toString(), `app:${SECRET}`);
  t.is((await client.getToken({ credential: "demo" })).accessToken, "good");
  const { stderr } = await daemon.stop();
  t.false(stderr.includes(SECRET));
}

const page = "<!doctype html><title>Hello</title><p>practice-text-of-a-page";
const cases: [what: string, answer: Responder, says: RegExp][] = [
  [
    "HTML with status 200",
    { headers: { "content-type": "text/html" }, body: page },
    /HTML|web page|page/i,
  ],
  [
    "HTML with status 500",
    { status: 500, headers: { "content-type": "text/html" }, body: page },
    /500/,
  ],
  ["an empty answer", { status: 200, body: "" }, /empty|no token|not/i],
  ["204", { status: 204 }, /204|empty|no/i],
  [
    "a redirect",
    { status: 302, headers: { location: "https://evil.example/?practice=1" } },
    /redirects to https:\/\/evil\.example\b/,
  ],
  [
    "a reset",
    (_seen, response) => void response.socket?.destroy(),
    /connection|hung up|closed|broke/i,
  ],
  [
    "JSON that is cut off",
    { body: '{"access_token":"practice-half', headers: { "content-type": "application/json" } },
    /JSON|token/i,
  ],
  [
    "a token with a line break",
    { json: { access_token: "practice\r\nx: y", token_type: "bearer" } },
    /token/i,
  ],
];

for (const [what, answer, says] of cases) {
  test(`an issuer that answers ${what}`, async (t) => {
    const scene = await setup(t, answer);
    const info = await addFailing(scene.client, scene.issuer.url);
    t.is(info.state, "failing");
    t.is(info.lastError?.reason, "issuer_unavailable");
    const message = info.lastError?.message ?? "";
    t.regex(message, /demo/);
    t.regex(message, says);
    t.notRegex(message, /practice/);
    const got = await scene.daemon.cli(["get", "demo"]);
    t.is(got.code, 7, got.stderr);
    t.is(got.stdout, "");
    t.regex(got.stderr, /^authd: .*demo/);
    t.regex(got.stderr, /Next|try/i);
    await recovers(t, scene);
  });
}

test("an issuer whose answer never ends is cut off, and memory stays bounded", async (t) => {
  const scene = await setup(t, (_seen, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const chunk = Buffer.alloc(256 * 1024, " ");
    const pour = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", pour);
    pour();
    return undefined;
  });
  const before = memoryOf(scene.daemon.pid);
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, memoryOf(scene.daemon.pid));
  }, 20);
  const info = await addFailing(scene.client, scene.issuer.url);
  clearInterval(watch);
  t.is(info.state, "failing");
  t.regex(info.lastError?.message ?? "", /demo.*(longer|larger|more|MiB|cut)/i);
  t.true(peak - before < 100, `from ${before} to ${peak} MiB`);
  await recovers(t, scene);
});

test("an issuer that never answers keeps nobody else waiting, nor anybody for ever", async (t) => {
  const scene = await setup(t, () => undefined);
  const added = add(scene.client, scene.issuer.url);
  await until(() => scene.issuer.requests.length !== 0);
  t.is((await scene.client.getToken({ credential: "fine" })).accessToken, "x");
  const late = await failureOf(scene.client.getToken({ credential: "demo", timeoutMs: 100 }));
  t.is(late.reason, "timeout");
  t.regex(late.message, /^demo: /);
  t.is((await scene.daemon.cli(["get", "demo", "--timeout", "0.2"])).code, 7);
  const info = await added;
  t.is(info.state, "failing");
  t.regex(info.lastError?.message ?? "", /demo.*10 s/);
  await recovers(t, scene);
});

test("a credential that is removed, or replaced, while its issuer stalls is gone, or new", async (t) => {
  let answer = () => {};
  const scene = await setup(t, (_seen, response) => {
    answer = () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end('{"access_token":"stale","token_type":"bearer","expires_in":600}');
    };
    return undefined;
  });
  const { client, issuer, daemon } = scene;
  const added = failureOf(add(client, issuer.url)).catch(() => undefined);
  await until(() => issuer.requests.length >= 1);
  await client.request("credentials/remove", { credential: "demo" });
  answer();
  await added;
  t.is((await failureOf(client.getToken({ credential: "demo" }))).reason, "unknown_credential");

  const first = failureOf(add(client, issuer.url)).catch(() => undefined);
  await until(() => issuer.requests.length >= 2);
  const answerOld = answer;
  const settings = { token_url: issuer.url, client_id: "app" };
  const replaced = client.request("credentials/add", {
    ...{ name: "demo", grant: "client_credentials", settings, replace: true },
    secrets: { client_secret: "practice-second" },
  });
  await until(() => issuer.requests.length >= 3);
  answerOld();
  await first;
  answer = () => {};
  issuer.answer(TOKEN);
  // The flight of the replacement is still unanswered: its token is nobody's but its own.
  t.is((await client.request("credentials/show", { credential: "demo" })).state, "refreshing");
  t.is((await replaced).lastError?.reason, "issuer_unavailable");
  await client.request("credentials/refresh", { credential: "demo" });
  t.is((await client.getToken({ credential: "demo" })).accessToken, "good");
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  client.close();
  const next = await startDaemon(t, { home: daemon });
  t.is((await tokenAfter(t, next)).accessToken, "good");
});

function tokenAfter(t: ExecutionContext, { socket }: Daemon) {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client.getToken({ credential: "demo" });
}
