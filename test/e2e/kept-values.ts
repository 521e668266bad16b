/** Values that come with a token: where they go, and where they never lead. */
import { writeFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { AuthdError, type Client, connect } from "../../src/client.ts";
import type { Handler } from "../helpers/api.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { startNamedHosts } from "../helpers/named-hosts.ts";

const FILE = `
grant = "client_credentials"
token_url = "https://login.example.com/token"
client_id = "reports"
origins = ["{kept.api}", "https://*.example.com"]
headers = { authorization = "Bearer {token}", x-tenant = "{kept.tenant}", x-session = "{kept.session}" }
query = { t = "{kept.tenant}" }
verify = { url = "{kept.api}/me?tenant={kept.tenant}" }

[response.keep]
api = "/instance_url"
tenant = "/data/tenants/0"
session = { from = "cookie:session", secret = true }
`;

interface World {
  daemon: Daemon;
  client: Client;
  /** What the issuer says beside the token from now on. */
  says(answer: object, cookie?: string): void;
  seen: Awaited<ReturnType<typeof startNamedHosts>>["seen"];
}

/** A daemon with one credential, whose issuer says what the test wants. */
async function begin(t: ExecutionContext, answer: object, file = FILE): Promise<World> {
  let current = { answer, cookie: "session=practice-session-1; HttpOnly" };
  let count = 0;
  const api: Handler = (_, response) => response.end("{}");
  const hosts = await startNamedHosts(t, {
    "login.example.com": (_, response) => {
      const { answer: said, cookie } = current;
      const headers = cookie === "" ? {} : { "set-cookie": [cookie, "other=1"] };
      response.writeHead(200, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify({ access_token: `token-${++count}`, expires_in: 600, ...said }));
    },
    "eu.example.com": (request, response) => {
      if (request.url?.startsWith("/away"))
        response.writeHead(302, { location: "https://us.example.com/" });
      response.end("{}");
    },
    "us.example.com": api,
    "evil.example": api,
  });
  const config = {
    "config.toml": `proxy = "${hosts.proxy}"\nca_file = "ca.pem"\n`,
    "ca.pem": hosts.ca,
    "credentials/crm.toml": file,
  };
  const daemon = await startDaemon(t, { config });
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const secrets = { client_secret: "practice-secret-1" };
  await client.request("credentials/set", { credential: "crm", secrets });
  return {
    ...{ daemon, client, seen: hosts.seen },
    says: (next, cookie = "session=practice-session-2; HttpOnly") => {
      current = { answer: next, cookie };
    },
  };
}

const EU = { instance_url: "https://eu.example.com", data: { tenants: [4711, 4712] } };
const US = { instance_url: "https://us.example.com/", data: { tenants: [4711, 4712] } };

const ask = (client: Client, url: string) =>
  client.request("authorizedRequest", { credential: "crm", url });

async function refused(t: ExecutionContext, asked: Promise<unknown>): Promise<string> {
  const error = await t.throwsAsync(asked, { instanceOf: AuthdError });
  t.is(error!.reason, "origin_not_allowed");
  return error!.message;
}

test("values go into headers, origins, the test's URL and extra; secret ones are not handed out", async (t) => {
  const { client, daemon, seen } = await begin(t, EU);
  const { headers, extra } = await client.request("getToken", { credential: "crm" });
  t.deepEqual(extra, { api: "https://eu.example.com", tenant: "4711" });
  t.is(headers["x-tenant"], "4711");
  t.is(headers["x-session"], "practice-session-1");
  t.is((await ask(client, "https://eu.example.com/v1")).status, 200);
  t.is(seen.at(-1)!.headers["x-tenant"], "4711");
  t.true((await client.request("credentials/test", { credential: "crm" })).ok);
  t.is(seen.at(-1)!.path, "/me?tenant=4711&t=4711");

  const shown = await client.request("credentials/show", { credential: "crm" });
  t.deepEqual(shown.origins, ["https://eu.example.com"]);
  t.deepEqual(shown.kept, ["api", "tenant", "session"]);
  t.deepEqual(shown.settings?.origins, ["{kept.api}", "https://*.example.com"]);
  t.false(JSON.stringify(shown).includes("practice-session"));
  const said = await daemon.cli(["request", "crm", "/v2"]);
  t.is(said.code, 0, said.stderr);
  t.is(seen.at(-1)!.path, "/v2?t=4711");
});

test("they are renewed with each answer, kept where one lacks them, and outlast a restart", async (t) => {
  const { client, daemon, says, seen } = await begin(t, EU);
  await client.request("getToken", { credential: "crm" });
  says({ data: {} }, "");
  await client.request("credentials/refresh", { credential: "crm" });
  const second = await client.request("getToken", { credential: "crm" });
  t.is(second.accessToken, "token-2");
  t.deepEqual(second.extra, { api: "https://eu.example.com", tenant: "4711" });
  t.is(second.headers["x-session"], "practice-session-1");

  await daemon.stop();
  const again = await startDaemon(t, { home: daemon });
  const later = connect({ socket: again.socket });
  t.teardown(() => later.close());
  const third = await later.request("getToken", { credential: "crm" });
  t.deepEqual(third, { ...second, expiresAt: third.expiresAt });
  says(US);
  await later.request("credentials/refresh", { credential: "crm" });
  t.is((await ask(later, "https://us.example.com/")).status, 200);
  const count = seen.length;
  t.regex(await refused(t, ask(later, "https://eu.example.com/")), /only to https:\/\/us\.example/);
  t.is(seen.length, count);
});

test("an origin that only the pattern admits gets nothing, and no redirect leads there", async (t) => {
  const { client, seen } = await begin(t, EU);
  await refused(t, ask(client, "https://us.example.com/"));
  await refused(t, ask(client, "https://evil.example/"));
  const { status, headers } = await ask(client, "https://eu.example.com/away");
  t.is(status, 302);
  t.is(headers.location, "https://us.example.com/");
  t.deepEqual([...new Set(seen.map(({ host }) => host))], ["login.example.com", "eu.example.com"]);
});

test("an answer that names an origin outside the patterns leads nowhere, and is a problem", async (t) => {
  const { client, says, seen } = await begin(t, EU);
  for (const instance_url of [
    ...["https://evil.example", "https://eu.example.com.evil.example", "http://eu.example.com"],
    ...[
      "https://eu.example.com:8443",
      "https://x@eu.example.com",
      "https://eu.example.com@evil.example",
    ],
    ...["https://eu.example.com\\@evil.example", "https://example.com", "https://a.eu.example.com"],
  ]) {
    says({ ...EU, instance_url });
    await client.request("credentials/refresh", { credential: "crm" });
    for (const url of [
      new URL(instance_url).origin,
      "https://eu.example.com/",
      "https://evil.example/",
    ]) {
      await refused(t, ask(client, url));
    }
    const { problems } = await client.request("status", {});
    t.like(problems[0], { credential: "crm", reason: "kept_value" }, instance_url);
    t.regex(
      problems[0]!.message,
      /\{kept\.api\} .* is no origin within https:\/\/\*\.example\.com/,
    );
  }
  t.deepEqual([...new Set(seen.map(({ host }) => host))], ["login.example.com"]);
});

test("values that are missing, too long or thousands cost themselves alone", async (t) => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`n${index}`, "x"]));
  const { client } = await begin(t, { ...many, instance_url: "x".repeat(500_000) });
  const { extra, headers } = await client.request("getToken", { credential: "crm" });
  t.is(extra, undefined);
  t.deepEqual(Object.keys(headers).sort(), ["authorization", "x-session"]);
  const { troubles = [] } = await client.request("credentials/show", { credential: "crm" });
  t.deepEqual(
    troubles.map(({ message }) => message),
    [
      'crm: the issuer\'s answer has no value to keep at response.keep.api = "/instance_url"',
      'crm: the issuer\'s answer has no value to keep at response.keep.tenant = "/data/tenants/0"',
    ],
  );
});

test("no error quotes a secret value that was kept", async (t) => {
  const { client, says } = await begin(t, EU);
  await client.request("getToken", { credential: "crm" });
  const description = "no more practice-session-1 for you";
  says({ access_token: undefined, error: "invalid_client", error_description: description }, "");
  const failed = client.request("credentials/refresh", { credential: "crm" });
  const error = await t.throwsAsync(failed, { instanceOf: AuthdError });
  t.regex(error!.message, /invalid_client/);
  t.false(error!.message.includes("practice-session"));
});

test("an edit of what is kept, or of where it may lead, waits for trust", async (t) => {
  const { client, daemon } = await begin(t, EU);
  await client.request("getToken", { credential: "crm" });
  for (const [from, to] of [
    ["/instance_url", "/refresh_token"],
    ["https://*.example.com", "https://*.example.net"],
  ] as const) {
    writeFileSync(`${daemon.configDir}/credentials/crm.toml`, FILE.replace(from, to));
    await client.request("reload", {});
    const { state } = await client.request("credentials/show", { credential: "crm" });
    t.is(state, "changed", to);
  }
});
