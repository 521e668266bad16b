/** People sign in for an API that names its issuer itself, as MCP servers do. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Client, connect } from "../../src/client.ts";
import type { AuthdError } from "../../src/errors.ts";
import type { LoginParams } from "../../src/protocol.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { type Person, signInAt } from "../helpers/person.ts";
import { RESOURCE_FEATURES, startResourceServer } from "../helpers/resource-server.ts";
import {
  PUBLIC_CLIENT,
  SECRET_CLIENT,
  type SignInIssuer,
  startSignInIssuer,
} from "../helpers/sign-in-issuer.ts";

const CREDENTIAL = { credential: "notes" };

async function setup(t: ExecutionContext, configuration: Record<string, unknown> = {}) {
  const issuer = await startSignInIssuer(t, { features: RESOURCE_FEATURES, configuration });
  const server = await startResourceServer(t, issuer);
  const daemon = await startDaemon(t);
  const add = (...more: string[]) =>
    daemon.cli(["add", "notes", "--resource", server.url, ...more]);
  return { issuer, server, daemon, add, client: clientOf(t, daemon) };
}

function clientOf(t: ExecutionContext, { socket }: Daemon): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

async function signIn(
  client: Client,
  person: Person = { name: "ada" },
  demand: Partial<LoginParams> = {},
) {
  const { url = "", login } = await client.request("login/start", {
    ...CREDENTIAL,
    how: "browser",
    ...demand,
  });
  const ended = client.request("login/finish", { login });
  await Promise.all([signInAt(url, person), ended.catch(() => {})]);
  return { url: new URL(url), info: await ended };
}

const fileOf = ({ configDir }: Daemon) =>
  readFileSync(join(configDir, "credentials", "notes.toml"), "utf8");

test("the API's address is enough: its issuer is found, a client registered, and the token is for it", async (t) => {
  const { add, client, issuer, server, daemon } = await setup(t);
  const added = await add();
  t.is(added.code, 0, added.stderr);
  t.regex(added.stderr, new RegExp(`signs people in +${issuer.url}\\n`));
  t.regex(added.stdout, /Next: authd login notes/);
  const file = fileOf(daemon);
  t.true(file.includes(`resource = "${server.url}"`));
  t.true(file.includes(`origins = [ "${server.origin}" ]`));
  t.regex(file, /scope = "files:read offline_access"/);
  t.regex(file, /redirect_uri = "http:\/\/127\.0\.0\.1:6[1-5]\d{3}\/callback"/);
  const { info } = await signIn(client);
  t.is(info.state, "ready");
  const request = { ...CREDENTIAL, url: server.url };
  t.like(await client.authorizedRequest(request), { status: 200 });
  await client.request("credentials/refresh", CREDENTIAL);
  t.like(await client.authorizedRequest(request), { status: 200 });
  const [first] = server.seen;
  t.is(first?.headers.authorization, undefined);
});

const registrations = ({ requests }: SignInIssuer) =>
  requests.filter((path) => path === "/reg").length;

test("a daemon that is killed between registration and sign-in keeps the client; another try registers none", async (t) => {
  const { add, client, daemon, issuer, server } = await setup(t);
  t.is((await add()).code, 0);
  const begun = await client.request("login/start", { ...CREDENTIAL, how: "browser" });
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  const again = await startDaemon(t, { home: daemon });
  const own = clientOf(t, again);
  const file = fileOf(again);
  t.like(await again.cli(["add", "notes", "--resource", server.url]), { code: 2 });
  const replaced = await again.cli(["add", "notes", "--resource", server.url, "--replace"]);
  t.is(replaced.code, 0, replaced.stderr);
  t.is(fileOf(again), file);
  t.is(registrations(issuer), 1);
  const { url, info } = await signIn(own);
  t.is(info.state, "ready");
  const clientId = new URL(begun.url ?? "").searchParams.get("client_id");
  t.is(url.searchParams.get("client_id"), clientId);
  t.like(await own.authorizedRequest({ ...CREDENTIAL, url: server.url }), { status: 200 });
});

test("a person who refuses keeps the client, and signs in with it later", async (t) => {
  const { add, client, issuer } = await setup(t);
  t.is((await add()).code, 0);
  const refused = await t.throwsAsync<AuthdError>(signIn(client, { name: "ada", refuses: true }));
  t.like(refused, { reason: "login_required", oauth: { error: "access_denied" } });
  t.like((await signIn(client)).info, { state: "ready" });
  t.is(registrations(issuer), 1);
});

test("a client with a secret: the secret is sealed, its end is a problem in time", async (t) => {
  const { add, client, daemon, issuer } = await setup(t, {
    clientAuthMethods: ["client_secret_basic"],
    clients: [],
  });
  const ends = Math.floor(Date.now() / 1_000) + 86_400;
  const secret = "made-for-this-test-alone";
  issuer.override = (path) =>
    path === "/reg"
      ? {
          status: 201,
          body: {
            client_id: "made",
            client_secret: secret,
            client_secret_expires_at: ends,
            token_endpoint_auth_method: "client_secret_basic",
            registration_access_token: "manages-this-client",
            registration_client_uri: `${issuer.url}/reg/made`,
          },
        }
      : undefined;
  const added = await add();
  t.is(added.code, 0, added.stderr);
  const file = fileOf(daemon);
  t.regex(file, /client_auth = "client_secret_basic"/);
  t.regex(file, /secret_expires = "\d{4}-\d\d-\d\d"/);
  for (const text of [file, added.stdout, added.stderr]) t.false(text.includes(secret));
  const { problems } = await client.request("status", {});
  const problem = problems.find(({ reason }) => reason === "secret_expires");
  t.regex(problem?.help ?? "", /--replace/);
  const shown = await client.request("credentials/show", CREDENTIAL);
  t.like(
    shown.secrets?.find(({ name }) => name === "client_secret"),
    { isEntered: true },
  );
  t.false(JSON.stringify(shown).includes("manages-this-client"));
  // A secret that soon ends is not used again.
  const replaced = await add("--replace");
  t.is(replaced.code, 0, replaced.stderr);
  t.is(registrations(issuer), 2);
});

test("an issuer that registers nobody names the next step, and nothing is kept", async (t) => {
  const { add, issuer, server, daemon } = await setup(t);
  issuer.metadata = { registration_endpoint: undefined };
  const added = await add();
  t.is(added.code, 2);
  t.regex(added.stderr, /registers no clients by itself.*--set client_id=YOUR-CLIENT-ID/);
  issuer.metadata = {};
  const refusal = { error: "invalid_client_metadata", error_description: "not from here" };
  issuer.override = (path) => (path === "/reg" ? { status: 400, body: refusal } : undefined);
  const refused = await add();
  t.is(refused.code, 1);
  t.regex(refused.stderr, /invalid_client_metadata: "not from here".*YOUR-CLIENT-ID/);
  t.false(existsSync(join(daemon.configDir, "credentials", "notes.toml")));
  t.true(server.seen.every(({ headers }) => headers.authorization === undefined));
});

test("a mistake in the settings is told before a client is registered", async (t) => {
  const { add, daemon, issuer } = await setup(t);
  for (const [mistake, wanted] of [
    ["scop=files:read", /scop/],
    ["redirect_uri=nowhere", /redirect_uri/],
  ] as const) {
    const added = await add("--set", mistake);
    t.is(added.code, 2, added.stderr);
    t.regex(added.stderr, wanted);
  }
  t.is(registrations(issuer), 0);
  t.false(existsSync(join(daemon.configDir, "credentials", "notes.toml")));
});

test("a client that is given is used, also by the URL of its metadata document where the issuer takes that", async (t) => {
  const { add, client, issuer } = await setup(t);
  const added = await add("--set", `client_id=${PUBLIC_CLIENT}`);
  t.is(added.code, 0, added.stderr);
  t.is(registrations(issuer), 0);
  const { url } = await signIn(client);
  t.is(url.searchParams.get("client_id"), PUBLIC_CLIENT);
  const document = "https://client.example/authd.json";
  // The issuer of this test would look for the document when a request is pushed.
  const byDocument = ["--replace", "--set", `client_id=${document}`, "--set", "push_request=false"];
  t.regex((await add(...byDocument)).stderr, /takes no client-id metadata document/);
  issuer.metadata = { client_id_metadata_document_supported: true };
  const taken = await add(...byDocument);
  t.is(taken.code, 0, taken.stderr);
  t.regex(taken.stderr, /described by its metadata document/);
  const begun = await client.request("login/start", { ...CREDENTIAL, how: "paste" });
  t.is(new URL(begun.url ?? "").searchParams.get("client_id"), document);
});

test("nobody is sent to an issuer without PKCE, or one that the API does not name", async (t) => {
  const { add, issuer, server } = await setup(t);
  t.regex((await add("--set", "issuer=https://evil.example")).stderr, /takes no tokens of/);
  issuer.metadata = { code_challenge_methods_supported: ["plain"] };
  t.regex((await add()).stderr, /PKCE/);
  issuer.metadata = {};
  const first = "http://127.0.0.1:1";
  server.metadata = { ...server.metadata, authorization_servers: [first, issuer.url] };
  const chosen = await add("--set", `issuer=${issuer.url}`);
  t.is(chosen.code, 0, chosen.stderr);
  t.regex(chosen.stderr, new RegExp(`could choose +${first}`));
  t.is(registrations(issuer), 1);
});

test("an issuer that later names another origin waits for trust", async (t) => {
  const { add, client, issuer } = await setup(t);
  t.is((await add()).code, 0);
  issuer.metadata = { token_endpoint: "http://127.0.0.1:1/token" };
  const error = await t.throwsAsync<AuthdError>(signIn(client));
  t.is(error?.reason, "credential_changed");
  t.regex(error?.message ?? "", /token_endpoint is http:\/\/127\.0\.0\.1:1\/token/);
});

const problemsOf = async (client: Client) =>
  (await client.request("status", {})).problems.filter(({ credential }) => credential === "notes");

test("an API that wants another scope gets it by another sign-in, which later ones keep", async (t) => {
  const { add, client, server } = await setup(t);
  t.is((await add("--set", "push_request=false")).code, 0);
  await signIn(client);
  const write = { ...CREDENTIAL, url: `${server.url}/write` };
  const before = server.seen.length;
  const refused = await client.authorizedRequest(write);
  t.is(refused.status, 403);
  t.is(refused.headers["www-authenticate"], server.insufficient);
  t.is(server.seen.length, before + 1);
  const [problem] = await problemsOf(client);
  t.like(problem, { reason: "insufficient_scope", help: "authd login notes --scope files:write" });
  t.like(await client.authorizedRequest({ ...write, url: server.url }), { status: 200 });
  const { url } = await signIn(client, { name: "ada" }, { scope: "files:write" });
  t.is(url.searchParams.get("scope"), "files:read files:write offline_access");
  t.like(await client.authorizedRequest(write), { status: 200 });
  t.deepEqual(await problemsOf(client), []);
  await client.request("credentials/refresh", CREDENTIAL);
  t.like(await client.authorizedRequest(write), { status: 200 });
  const again = await signIn(client);
  t.is(again.url.searchParams.get("scope"), "files:read files:write offline_access");
});

test("an API that wants a fresher or stronger sign-in names it, and nothing is renewed for it", async (t) => {
  const { add, client, server, issuer } = await setup(t);
  // OpenID Connect: these parameters go with its scope.
  const scope = ["--set", "scope=openid files:read"];
  t.is((await add("--set", "push_request=false", ...scope)).code, 0);
  await signIn(client);
  server.override = (path, response) =>
    path === "/mcp/pay"
      ? response
          .writeHead(401, {
            "www-authenticate":
              'Bearer error="insufficient_user_authentication", acr_values="strong ok", max_age=60',
          })
          .end()
      : undefined;
  issuer.requests.length = 0;
  const pay = { ...CREDENTIAL, url: `${server.url}/pay` };
  t.is((await client.authorizedRequest(pay)).status, 401);
  t.deepEqual(issuer.requests, []);
  const [problem] = await problemsOf(client);
  t.like(problem, {
    reason: "insufficient_user_authentication",
    help: "authd login notes --acr-values 'strong ok' --max-age 60",
  });
  const demand = { acrValues: "strong ok", maxAge: 60 };
  const { url } = await signIn(client, { name: "ada" }, demand);
  t.is(url.searchParams.get("acr_values"), "strong ok");
  t.is(url.searchParams.get("max_age"), "60");
  t.deepEqual(await problemsOf(client), []);
  const device = client.request("login/start", { ...CREDENTIAL, how: "device", ...demand });
  await t.throwsAsync(device, { message: /device flow has no place/ });
  const odd = client.request("login/start", { ...CREDENTIAL, scope: 'a"b' });
  await t.throwsAsync(odd, { message: /words separated by spaces/ });
});

test("a program's wider scope is asked for once, where the file allows it", async (t) => {
  const { client, daemon, server, issuer } = await setup(t);
  const settings = {
    issuer: issuer.url,
    client_id: SECRET_CLIENT.id,
    scope: "files:read",
    resource: server.url,
    origins: server.origin,
  };
  const credential = {
    ...{ grant: "client_credentials", settings },
    secrets: { client_secret: SECRET_CLIENT.secret },
  };
  const added = await daemon.add("notes", { credential });
  t.is(added.code, 0, added.stderr);
  const write = { ...CREDENTIAL, url: `${server.url}/write`, method: "POST", body: "text" };
  t.is((await client.authorizedRequest(write)).status, 403);
  const [problem] = await problemsOf(client);
  t.regex(problem?.help ?? "", /^authd set notes --set step_up_scope=files:write/);
  t.is((await daemon.cli(["set", "notes", "--set", "step_up_scope=files:write"])).code, 0);
  t.deepEqual(await problemsOf(client), []);
  const before = { api: server.seen.length, issuer: issuer.requests.length };
  t.like(await client.authorizedRequest(write), { status: 200 });
  t.is(server.seen.length, before.api + 2);
  t.is(server.seen.at(-1)?.body.toString(), "text");
  t.is((await client.authorizedRequest(write)).status, 200);
  const tokens = issuer.requests.slice(before.issuer).filter((path) => path === "/token");
  t.is(tokens.length, 1);
  // The second refusal is the answer.
  server.override = (path, response) =>
    path === "/mcp/write"
      ? response.writeHead(403, { "www-authenticate": server.insufficient }).end()
      : undefined;
  const seen = server.seen.length;
  t.is((await client.authorizedRequest(write)).status, 403);
  t.is(server.seen.length, seen + 2);
});

test("the issuer says what it knows of a token, which is not shown", async (t) => {
  const { add, client, daemon, issuer, server } = await setup(t);
  t.is((await add()).code, 0);
  t.like(await daemon.cli(["show", "notes", "--introspect"]), { code: 5 });
  await signIn(client);
  const { accessToken } = await client.getToken(CREDENTIAL);
  const shown = await daemon.cli(["show", "notes", "--introspect"]);
  t.is(shown.code, 0, shown.stderr);
  t.regex(shown.stdout, /The issuer says: its token is active\n/);
  t.regex(shown.stdout, new RegExp(`\\n {2}aud +${server.url}\\n`));
  t.false(shown.stdout.includes(accessToken));
  const { client_id = "" } = (await client.request("credentials/show", CREDENTIAL)).settings ?? {};
  await fetch(`${issuer.url}/token/revocation`, {
    method: "POST",
    body: new URLSearchParams({ token: accessToken, client_id: String(client_id) }),
  });
  t.deepEqual(await client.request("credentials/introspect", CREDENTIAL), {
    active: false,
    members: { active: false },
  });
  t.regex((await daemon.cli(["show", "notes", "--introspect"])).stdout, /token is not active/);
  const { introspection } = JSON.parse(
    (await daemon.cli(["show", "notes", "--introspect", "--json"])).stdout,
  );
  t.false(introspection.active);
});

test("words of an API that are no scope, or a list that nobody would read, are not asked for", async (t) => {
  const { client, server } = await setup(t);
  server.challenge = server.challenge.replace("files:read", 'files:read b\\\\ad\\"');
  const ask = async () =>
    await client.request("credentials/discover", { name: "notes", resource: server.url });
  t.is((await ask()).settings.scope, "files:read offline_access");
  server.challenge = "Bearer";
  const many = Array.from({ length: 100 }, (_, index) => `scope${index}`);
  server.metadata = { ...server.metadata, scopes_supported: many };
  t.is((await ask()).settings.scope, "offline_access");
  server.metadata = { ...server.metadata, scopes_supported: undefined };
  t.is((await ask()).settings.scope, "offline_access");
});

test("other options are refused beside --resource, and a URL that is none", async (t) => {
  const { add, daemon } = await setup(t);
  t.like(await add("--grant", "static"), { code: 2 });
  t.regex((await add("--set", "issuer=nonsense")).stderr, /issuer must be an absolute URL/);
  const url = "https://mcp.example.com";
  t.like(await daemon.cli(["add", "UP", "--resource", url]), { code: 2 });
  t.like(await daemon.cli(["add", "--resource", "https://mcp.example.com"]), { code: 2 });
  t.like(await daemon.cli(["add", "x", "--resource", "http://mcp.example.com"]), { code: 2 });
  t.like(await daemon.cli(["add", "x", "--resource", "https://mcp.example.com/#x"]), { code: 2 });
});
