/** The four API systems, each through a real daemon against an API that is as strict as the real one. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import {
  type AuthdError,
  type Client,
  connect,
  type GetTokenResult,
  type ParamsOf,
} from "../../src/client.ts";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { startOneStepAi } from "../../src/sandbox/onestepai.ts";
import type { PracticeApi, PracticeCredential } from "../../src/sandbox/practice-api.ts";
import { startRealtyna } from "../../src/sandbox/realtyna.ts";
import { startZebbra } from "../../src/sandbox/zebbra.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { until } from "../helpers/until.ts";

/** One way in which an API is met. */
interface Variant {
  title: string;
  start: () => Promise<PracticeApi>;
  /** What `headers` of getToken must be, to the letter. */
  headers: (token: string, credential: PracticeCredential) => Record<string, string>;
  /** Lifetime of a token in seconds; without one as long as the real API's. */
  lifetime: number;
  /** Settings beyond those that the practice API gives. */
  settings?: (url: string) => PracticeCredential["settings"];
  /** Its secrets are refused as those of the one above are. */
  alike?: true;
  /** A request with a body, and the status that tells that it came through. */
  post: (url: string) => { url: string; body?: string; status: number };
}

const bearerOnly = (token: string) => ({ authorization: `Bearer ${token}` });
const realtynaHeaders =
  (scheme: string): Variant["headers"] =>
  (token, { secrets, settings }) => ({
    authorization: scheme + token,
    "x-api-key": secrets.api_key!,
    referer: String(settings.referer),
    origin: String(settings.origin),
  });
const inference = (url: string) => ({
  url: `${url}/v2/models/7/inference`,
  body: JSON.stringify({ texts: ["Breakfast was not tasty"], max_predictions: 2 }),
  status: 200,
});
/** OneStep AI, Realtyna and Zebbra answer nothing but GET where a token is wanted. */
const refusedMethod = (path: string) => (url: string) => ({
  url: url + path,
  body: "{}",
  status: 405,
});

const DAY = 86_400;
const variants: readonly Variant[] = [
  {
    title: "Labelf",
    start: () => startLabelf(),
    headers: bearerOnly,
    lifetime: 3_122_063_999,
    post: inference,
  },
  {
    title: "OneStep AI",
    start: () => startOneStepAi(),
    headers: bearerOnly,
    lifetime: DAY,
    post: refusedMethod("/api/Users"),
  },
  {
    title: "OneStep AI, its other region",
    alike: true,
    start: () => startOneStepAi(),
    settings: (url) => ({ region: "us", base_url: `${url}/api/` }),
    headers: bearerOnly,
    lifetime: DAY,
    post: refusedMethod("/api/Users"),
  },
  {
    title: "OneStep AI, its older sign-in as a grant of one's own",
    start: () => startOneStepAi({ older: true }),
    headers: bearerOnly,
    lifetime: DAY,
    post: refusedMethod("/api/Users"),
  },
  {
    title: "Zebbra",
    start: () => startZebbra(),
    headers: bearerOnly,
    lifetime: 1800,
    post: refusedMethod("/user"),
  },
  {
    title: "Zebbra, below /auth",
    alike: true,
    start: () => startZebbra({ prefix: "/auth" }),
    headers: bearerOnly,
    lifetime: 1800,
    post: refusedMethod("/user"),
  },
  {
    title: "Realtyna",
    start: () => startRealtyna({ tokenInterval: 0 }),
    headers: realtynaHeaders(""),
    lifetime: 3600,
    post: refusedMethod("/reso/odata/Property"),
  },
  {
    title: "Realtyna, which wants Bearer",
    alike: true,
    start: () => startRealtyna({ tokenInterval: 0, scheme: "bearer" }),
    headers: realtynaHeaders("Bearer "),
    lifetime: 3600,
    post: refusedMethod("/reso/odata/Property"),
  },
  {
    title: "Realtyna, a newer server",
    start: () => startRealtyna({ tokenInterval: 0, newer: true, scheme: "bearer" }),
    headers: realtynaHeaders("Bearer "),
    lifetime: DAY,
    post: refusedMethod("/reso/odata/Property"),
  },
];

async function openedBy(t: ExecutionContext, start: () => Promise<PracticeApi>) {
  const api = await start();
  t.teardown(() => api.close());
  return api;
}

function clientOf(t: ExecutionContext, { socket }: { socket: string }): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

/** A daemon that knows the API as `demo`, by the command line. */
async function added(t: ExecutionContext, api: Pick<PracticeApi, "credential">) {
  const daemon = await startDaemon(t);
  const { code, stdout, stderr } = await daemon.add("demo", api);
  t.is(code, 0, stderr);
  t.regex(stdout, /^demo is added: ● ready/);
  return { daemon, client: clientOf(t, daemon) };
}

const claimsOf = (jwt: string): { exp: number } =>
  JSON.parse(Buffer.from(jwt.split(".")[1]!, "base64url").toString());

const fetchExample = ({ method, url, body }: PracticeApi["example"], token: GetTokenResult) =>
  fetch(url, {
    method,
    headers: { ...token.headers, ...(body && { "content-type": "application/json" }) },
    ...(body && { body }),
  });

const exampleOf = ({ example }: PracticeApi): Omit<ParamsOf<"authorizedRequest">, "stream"> => ({
  credential: "demo",
  ...example,
  ...(example.body && { headers: { "content-type": "application/json" } }),
});

/** Shorter than a token's lifetime by less than what a slow machine takes for a sign-in. */
function assertLifetime(
  t: ExecutionContext,
  expiresAt: number | null,
  since: number,
  lifetime: number,
) {
  const expected = since + lifetime * 1000;
  // A JWT's `exp` and a Date header are whole seconds.
  t.true(
    expiresAt !== null &&
      expiresAt >= expected - 2_000 &&
      expiresAt <= Date.now() + lifetime * 1000 + 1_000,
  );
}

for (const { title, start, headers, lifetime, settings, post, alike } of variants) {
  test.serial(`${title}: added, and a token works at the API as it is`, async (t) => {
    const api = await openedBy(t, start);
    const credential = {
      ...api.credential,
      settings: { ...api.credential.settings, ...settings?.(api.url) },
    };
    const before = Date.now();
    const { daemon, client } = await added(t, { credential });
    const token = await client.getToken({ credential: "demo" });
    t.deepEqual(token.headers, headers(token.accessToken, credential));
    t.is(token.tokenType.toLowerCase(), "bearer");
    assertLifetime(t, token.expiresAt, before, lifetime);
    t.is((await fetchExample(api.example, token)).status, 200);
    t.is(api.stats.tokenRequests, 1, "asking again costs the API nothing");

    const answer = await client.authorizedRequest(exampleOf(api));
    t.is(answer.status, 200);
    t.truthy(JSON.parse(answer.body ?? ""));
    const { status, ...sent } = post(api.url);
    const posted = await client.authorizedRequest({
      ...{ credential: "demo", method: "POST", ...sent },
      headers: { "content-type": "application/json" },
    });
    t.is(posted.status, status);

    const tested = await daemon.cli(["test", "demo"]);
    t.is(tested.code, 0, tested.stderr);
    t.regex(tested.stdout, /^✔ demo: 127\.0\.0\.1:\d+\/\S* answered 200/);
    t.is(api.stats.tokenRequests, 1);
  });

  test.serial(
    `${title}: after a 401 one renewal and one repeat, for one request and for many`,
    async (t) => {
      const api = await openedBy(t, start);
      const { daemon, client } = await added(t, api);
      const { accessToken: old } = await client.getToken({ credential: "demo" });
      t.is((await client.authorizedRequest(exampleOf(api))).status, 200);
      api.expireTokens();
      const { tokenRequests, apiRequests } = api.stats;
      const answer = await client.authorizedRequest(exampleOf(api));
      t.is(answer.status, 200);
      t.true(answer.refreshed);
      t.is(api.stats.tokenRequests - tokenRequests, 1);
      t.is(api.stats.apiRequests - apiRequests, 2);
      t.not((await client.getToken({ credential: "demo" })).accessToken, old);

      api.expireTokens();
      const clients = [client, clientOf(t, daemon), clientOf(t, daemon)];
      const answers = await Promise.all(
        Array.from({ length: 24 }, (_, index) =>
          clients[index % clients.length]!.authorizedRequest(exampleOf(api)),
        ),
      );
      t.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      t.is(api.stats.tokenRequests - tokenRequests, 2);
    },
  );

  if (alike) continue;
  test.serial(
    `${title}: a wrong secret is rejected and kept; set mends it; a restart keeps the token`,
    async (t) => {
      const api = await openedBy(t, start);
      const daemon = await startDaemon(t);
      const { secrets } = api.credential;
      const wrong = Object.fromEntries(
        Object.keys(secrets).map((key) => [key, `practice-not-${key}`]),
      );
      const refused = await daemon.add("demo", {
        credential: { ...api.credential, secrets: wrong },
      });
      t.is(refused.code, 5, refused.stderr);
      t.regex(refused.stderr, /demo is kept[\s\S]*authd set demo/);
      for (const secret of Object.values(wrong)) t.false(refused.stderr.includes(secret));
      const state = async () =>
        JSON.parse((await daemon.cli(["show", "demo", "--json"])).stdout).state;
      t.is(await state(), "rejected");
      const tries = api.stats.tokenRequests;
      t.is((await daemon.cli(["get", "demo"])).code, 5);
      t.is(api.stats.tokenRequests, tries, "nothing is sent until a person acts");

      const input = JSON.stringify(secrets);
      const mended = await daemon.cli(["set", "demo", "--secrets-from", "-"], { input });
      t.is(mended.code, 0, mended.stderr);
      t.is(await state(), "ready");
      const { stdout: token } = await daemon.cli(["get", "demo"]);
      const mendedAfter = api.stats.tokenRequests;
      t.is((await daemon.stop()).code, 0);
      const next = await startDaemon(t, { home: daemon });
      t.is((await next.cli(["get", "demo"])).stdout, token);
      t.is(api.stats.tokenRequests, mendedAfter);
    },
  );
}

for (const [title, start] of [
  ["Labelf", () => startLabelf({ tokenLifetime: 15 })],
  ["OneStep AI", () => startOneStepAi({ tokenLifetime: 15 })],
  ["Zebbra", () => startZebbra({ tokenLifetime: 15 })],
  ["Realtyna", () => startRealtyna({ tokenLifetime: 15 })],
] as const) {
  test(`${title}: a token in use is renewed before it runs out, without anybody asking`, async (t) => {
    const api = await openedBy(t, start);
    const { client } = await added(t, api);
    const { accessToken } = await client.getToken({ credential: "demo" });
    const before = api.stats.tokenRequests;
    await until(() => api.stats.tokenRequests >= before + 1);
    const token = await client.getToken({ credential: "demo" });
    t.not(token.accessToken, accessToken);
    const { status, refreshed } = await client.authorizedRequest(exampleOf(api));
    t.deepEqual({ status, refreshed }, { status: 200, refreshed: false });
    t.is(api.stats.rejected, 0, "no token was used after its time, no request was refused");
  });
}

test.serial(
  "Labelf: a lifetime of 99 years is told as it is, and makes no timer overflow",
  async (t) => {
    const api = await openedBy(t, () => startLabelf());
    const { daemon, client } = await added(t, api);
    const { expiresAt } = await client.getToken({ credential: "demo" });
    t.true(expiresAt! > Date.now() + 98 * 365 * DAY * 1000);
    const { refreshAt } = await client.request("credentials/show", { credential: "demo" });
    t.true(refreshAt! > Date.now() + 98 * 365 * DAY * 1000 && refreshAt! < expiresAt!);
    // An overflowed timer rings at once, again and again.
    await pause(500);
    t.is(api.stats.tokenRequests, 1);
    const shown = await daemon.cli(["show", "demo"]);
    t.regex(shown.stdout, /in 98 years|in 99 years|2[01]\d\d/);
    await daemon.stop();
    const next = await startDaemon(t, { home: daemon });
    const again = await clientOf(t, next).getToken({ credential: "demo" });
    t.true(Math.abs(again.expiresAt! - expiresAt!) < 5_000);
    t.is(api.stats.tokenRequests, 1);
  },
);

test.serial(
  "Labelf: an empty scope is no scope, and the client's odd characters arrive as they are",
  async (t) => {
    const api = await openedBy(t, () => startLabelf());
    const { client } = await added(t, api);
    const { scope } = await client.getToken({ credential: "demo" });
    t.true(scope === undefined || scope === "");
  },
);

test.serial(
  "OneStep AI: the answer is a JWT as plain text, and its exp is the lifetime",
  async (t) => {
    const api = await openedBy(t, () => startOneStepAi({ tokenLifetime: 600 }));
    const { client } = await added(t, api);
    const { accessToken, tokenType, expiresAt } = await client.getToken({ credential: "demo" });
    t.is(tokenType, "Bearer");
    t.true(Math.abs(expiresAt! - claimsOf(accessToken).exp * 1000) <= 2_000);
  },
);

test.serial("OneStep AI: a server whose clock is an hour ahead shortens nothing", async (t) => {
  const now = () => Date.now() + 3_600_000;
  const api = await openedBy(t, () => startOneStepAi({ tokenLifetime: 600, now }));
  const before = Date.now();
  const { client } = await added(t, api);
  const { accessToken, expiresAt } = await client.getToken({ credential: "demo" });
  t.true(claimsOf(accessToken).exp * 1000 > Date.now() + 3_600_000);
  assertLifetime(t, expiresAt, before, 600);
});

test.serial("Zebbra: no expires_in, the JWT tells the lifetime", async (t) => {
  const api = await openedBy(t, () => startZebbra());
  const { client } = await added(t, api);
  const { accessToken, expiresAt } = await client.getToken({ credential: "demo" });
  t.true(Math.abs(expiresAt! - claimsOf(accessToken).exp * 1000) <= 2_000);
  const expired = { credential: "demo", url: `${api.url}/token/expired` };
  t.is((await client.authorizedRequest(expired)).body, '{"expired":false}');
});

test.serial(
  "Zebbra: with two-factor on, each code is used once, and who asks again is told when the next one comes",
  async (t) => {
    const api = await openedBy(t, () => startZebbra({ twoFactor: true }));
    const daemon = await startDaemon(t);
    const { otp_secret, ...password } = api.credential.secrets;
    const without = await daemon.add("demo", {
      credential: { ...api.credential, secrets: password },
    });
    t.is(without.code, 5, "a code is wanted");
    const input = JSON.stringify({ otp_secret });
    t.is((await daemon.cli(["set", "demo", "--secrets-from", "-"], { input })).code, 0);
    const client = clientOf(t, daemon);
    t.is((await client.authorizedRequest(exampleOf(api))).status, 200);
    const before = api.stats.tokenRequests;
    const { accessToken: rejectedToken } = await client.getToken({ credential: "demo" });
    const again = client.getToken({ credential: "demo", rejectedToken, timeoutMs: 1 });
    const failure = await again.then(
      () => undefined,
      (error: AuthdError) => error,
    );
    // Where the code changed meanwhile, the time limit is over before the answer to a new one.
    if (failure?.reason !== "timeout") {
      t.is(failure?.reason, "issuer_unavailable");
      t.regex(failure?.message ?? "", /one-time code was sent already/);
      t.true(failure!.retryAfterMs! > 0 && failure!.retryAfterMs! <= 31_000);
      t.is(api.stats.tokenRequests, before);
    }
    t.is((await client.authorizedRequest(exampleOf(api))).status, 200);
  },
);

test.serial(
  "Zebbra: --register makes the account, and a name that is taken leaves nothing behind",
  async (t) => {
    const api = await openedBy(t, () => startZebbra({ prefix: "/auth" }));
    const daemon = await startDaemon(t);
    const register = (name: string, username: string, more: string[] = [], input?: string) =>
      daemon.cli(
        [
          ...["add", name, "--preset", "zebbra", "--register", "--set", `base_url=${api.url}`],
          ...["--set", `username=${username}`, "--set", "token_path=/auth/token", ...more],
        ],
        input === undefined ? {} : { input },
      );
    const made = await register("made", "ada");
    t.is(made.code, 0, made.stderr);
    t.is((await daemon.cli(["test", "made"])).code, 0);

    const given = await register(
      "given",
      "grace",
      ["--secrets-from", "-"],
      '{"password":"practice-own"}',
    );
    t.is(given.code, 0, given.stderr);
    const signIn = await fetch(`${api.url}/auth/token`, {
      method: "POST",
      body: new URLSearchParams({ username: "grace", password: "practice-own" }),
    });
    t.is(signIn.status, 200);

    const taken = await register("taken", "ada");
    t.is(taken.code, 1);
    t.regex(taken.stderr, /taken: that user name is taken; choose another/);
    t.is((await daemon.cli(["get", "taken"])).code, 4);
    t.false(existsSync(join(daemon.configDir, "credentials", "taken.toml")));
    t.deepEqual(
      readdirSync(join(daemon.stateDir, "vault")).filter((file) => /taken/.test(file)),
      [],
    );

    // One that exists is not lost over a registration that fails.
    const replaced = await register("given", "ada", ["--replace"]);
    t.is(replaced.code, 1);
    t.is((await daemon.cli(["list", "--json"])).stdout.includes('"given"'), true);
  },
);

test.serial(
  "Realtyna: one token request a second is enough, and a 429 is waited out",
  async (t) => {
    const api = await openedBy(t, () => startRealtyna());
    const { client } = await added(t, api);
    t.is((await client.authorizedRequest(exampleOf(api))).status, 200);
    api.expireTokens();
    let status = 401;
    while (status !== 200) {
      status = (await client.authorizedRequest(exampleOf(api))).status;
      t.true(status === 200 || status === 401);
      await pause(50);
    }
    const refused = api.requests.filter(
      (request) => request.side === "token" && request.status === 429,
    );
    t.true(refused.length <= 1, "asked again before its time");
  },
);

test.serial(
  "Realtyna: bad credentials are tried once, also by a daemon that starts anew",
  async (t) => {
    const api = await openedBy(t, () => startRealtyna({ tokenInterval: 0 }));
    const { settings, secrets } = api.credential;
    let daemon = await startDaemon(t);
    const wrong = { ...secrets, client_secret: "practice-wrong" };
    const credential = {
      ...api.credential,
      settings: { ...settings, warm: "always" },
      secrets: wrong,
    };
    t.is((await daemon.add("demo", { credential })).code, 5);
    for (let start = 0; start < 3; start++) {
      await daemon.stop();
      daemon = await startDaemon(t, { home: daemon });
      t.is((await daemon.cli(["get", "demo"])).code, 5);
    }
    t.is(api.stats.tokenRequests, 1);
    const input = JSON.stringify(secrets);
    t.is((await daemon.cli(["set", "demo", "--secrets-from", "-"], { input })).code, 0);
    await daemon.stop();
    daemon = await startDaemon(t, { home: daemon });
    t.is((await daemon.cli(["get", "demo"])).code, 0);
  },
);

test.serial(
  "add --replace takes another secret, from a file, and forgets the old token",
  async (t) => {
    const first = await openedBy(t, () => startLabelf());
    const second = await openedBy(t, () => startLabelf());
    const { daemon, client } = await added(t, first);
    const { accessToken } = await client.getToken({ credential: "demo" });
    const { settings, secrets } = second.credential;
    const file = join(daemon.folder, "secrets.json");
    writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
    const replace = await daemon.cli([
      ...["add", "demo", "--preset", "labelf", "--replace", "--secrets-from", file],
      ...["--set", `client_id=${settings.client_id}`, "--set", `token_url=${settings.token_url}`],
      ...["--set", `origins=${second.url}`],
    ]);
    t.is(replace.code, 0, replace.stderr);
    const token = await client.getToken({ credential: "demo" });
    t.not(token.accessToken, accessToken);
    t.is((await fetchExample(second.example, token)).status, 200);
    const elsewhere = client.authorizedRequest(exampleOf(first));
    await t.throwsAsync(elsewhere, { message: /origin/ });
  },
);
