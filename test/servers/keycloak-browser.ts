/** People sign in at Keycloak with a real browser on this machine. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import type { AuthdError } from "../../src/errors.ts";
import type { LoginFlow } from "../../src/protocol.ts";
import { startChromium } from "../helpers/chromium.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { publicClient, testsAtKeycloak } from "../helpers/keycloak/index.ts";
import { consent, enterPassword } from "../helpers/keycloak/person.ts";
import type { Realm } from "../helpers/keycloak/realm.ts";

/** Longer than the shortest life of a code. */
const CODE_LIFE_MS = 2_500;
const CREDENTIAL = { credential: "mail" };
const PUSHED = publicClient("pushed", { "require.pushed.authorization.requests": "true" });
const CAREFUL = { ...publicClient("careful"), consentRequired: true };

const withKeycloak = testsAtKeycloak([publicClient("app"), PUSHED, CAREFUL], "chromium");

async function setup(t: ExecutionContext, realm: Realm, clientId: string) {
  const daemon = await startDaemon(t);
  const settings = {
    ...{ issuer: realm.issuer, client_id: clientId, scope: "openid email" },
    // The redirect URI and the state stand in the link then.
    ...(clientId === "pushed" ? {} : { push_request: "false" }),
    origins: realm.server.http,
  };
  const credential = { grant: "authorization_code", settings, secrets: {} };
  const added = await daemon.add("mail", { credential });
  t.is(added.code, 0, added.stderr);
  return { daemon, ...clientOf(t, daemon), tab: await startChromium(t) };
}

function clientOf(t: ExecutionContext, { socket }: Pick<Daemon, "socket">) {
  const client = connect({ socket });
  t.teardown(() => client.close());
  const begin = (how: LoginFlow) => client.request("login/start", { ...CREDENTIAL, how });
  return { client, begin };
}

const titled = (title: string) => `document.title.startsWith(${JSON.stringify(title)})`;
const parameter = (url: string | undefined, name: string) =>
  new URL(url ?? "").searchParams.get(name) ?? "";

withKeycloak(
  "a pushed request, a code, and an ID token; the callback counts once",
  async (t, realm) => {
    const { client, begin, tab } = await setup(t, realm, "pushed");
    const { url, login } = await begin("browser");
    t.deepEqual([...new URL(url ?? "").searchParams.keys()].sort(), ["client_id", "request_uri"]);
    await tab.open(url ?? "");
    await enterPassword(tab, realm);
    await tab.until(titled("You are signed in"));
    const info = await client.request("login/finish", { login });
    t.like(info, { state: "ready", login: { account: "ada@example.com" } });
    await tab.read("location.reload()");
    await tab.until(`!${titled("You are signed in")}`);
    const userinfo = `${realm.issuer}/protocol/openid-connect/userinfo`;
    const answer = await client.request("authorizedRequest", { ...CREDENTIAL, url: userinfo });
    t.is(answer.status, 200);
    t.is(JSON.parse(answer.body ?? "").email, "ada@example.com");
    t.like(await client.request("credentials/refresh", CREDENTIAL), { state: "ready" });
    t.is(await realm.count("CODE_TO_TOKEN", "pushed"), 1);
  },
);

withKeycloak("a person who does not consent sees that it failed", async (t, realm) => {
  const { client, begin, tab } = await setup(t, realm, "careful");
  const { url, login } = await begin("browser");
  await tab.open(url ?? "");
  await enterPassword(tab, realm);
  await consent(tab, "cancel");
  await tab.until(titled("The sign-in failed"));
  t.regex(String(await tab.read("document.body.innerText")), /access_denied/);
  const error = await t.throwsAsync<AuthdError>(client.request("login/finish", { login }));
  t.is(error?.reason, "login_required");
  // Another time the person agrees.
  const again = await begin("browser");
  await tab.open(again.url ?? "");
  await enterPassword(tab, realm);
  await consent(tab, "accept");
  await tab.until(titled("You are signed in"));
  t.like(await client.request("login/finish", { login: again.login }), { state: "ready" });
});

withKeycloak("a wrong state changes nothing; a wrong iss ends the sign-in", async (t, realm) => {
  const { client, begin, tab } = await setup(t, realm, "app");
  const { url, login } = await begin("browser");
  const callback = parameter(url, "redirect_uri");
  await tab.open(`${callback}?code=x&state=y&iss=${realm.issuer}`);
  await tab.until(titled("This is not the answer"));
  await tab.open(`${callback}?code=x&state=${parameter(url, "state")}&iss=${realm.secureIssuer}`);
  await tab.until(titled("The sign-in failed"));
  const error = await t.throwsAsync<AuthdError>(client.request("login/finish", { login }));
  t.is(error?.reason, "login_required");
  t.regex(error?.message ?? "", /issuer/);
});

withKeycloak("the code of another sign-in is refused: PKCE", async (t, realm) => {
  const { client, begin, tab } = await setup(t, realm, "app");
  const first = await begin("paste");
  await tab.open(first.url ?? "");
  await enterPassword(tab, realm);
  await tab.until("location.href.startsWith('chrome-error:')");
  const stolen = new URL(await tab.address());
  t.is(stolen.searchParams.get("iss"), realm.issuer);
  await client.request("login/cancel", { login: first.login });
  const second = await begin("paste");
  const redirected = new URL(parameter(second.url, "redirect_uri"));
  redirected.search = stolen.search;
  redirected.searchParams.set("state", parameter(second.url, "state"));
  const finish = client.request("login/finish", {
    login: second.login,
    redirected: redirected.href,
  });
  const error = await t.throwsAsync<AuthdError>(finish);
  t.is(error?.reason, "login_required");
  t.regex(error?.message ?? "", /authd login mail/);
});

withKeycloak("an address that is pasted after its code has expired", async (t, realm) => {
  const { client, begin, tab } = await setup(t, realm, "app");
  await realm.change({ accessCodeLifespan: 1 });
  t.teardown(() => realm.change({ accessCodeLifespan: 60 }));
  const { url, login } = await begin("paste");
  await tab.open(url ?? "");
  await enterPassword(tab, realm);
  await tab.until("location.href.startsWith('chrome-error:')");
  await sleep(CODE_LIFE_MS);
  const redirected = await tab.address();
  const error = await t.throwsAsync<AuthdError>(
    client.request("login/finish", { login, redirected }),
  );
  t.is(error?.reason, "login_required");
  t.regex(error?.message ?? "", /invalid_grant.*authd login mail/s);
});

withKeycloak("ten wait for one sign-in, in one tab", async (t, realm) => {
  const place = await setup(t, realm, "app");
  const before = await realm.count("CODE_TO_TOKEN", "app");
  const clients = Array.from({ length: 10 }, () => clientOf(t, place.daemon));
  const begun = await Promise.all(clients.map(({ begin }) => begin("browser")));
  t.is(new Set(begun.map(({ url }) => url)).size, 1);
  const { url = "", login } = begun[0]!;
  const ends = clients.map(({ client }) => client.request("login/finish", { login }));
  await place.tab.open(url);
  await enterPassword(place.tab, realm);
  for (const info of await Promise.all(ends)) t.is(info.state, "ready");
  t.is(await realm.count("CODE_TO_TOKEN", "app"), before + 1);
});

withKeycloak("a daemon that is killed while the person signs in", async (t, realm) => {
  const { daemon, begin, tab } = await setup(t, realm, "app");
  const { url } = await begin("browser");
  await tab.open(url ?? "");
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  await startDaemon(t, { home: daemon });
  await enterPassword(tab, realm);
  await tab.until("location.href.startsWith('chrome-error:')");
  const later = clientOf(t, daemon);
  const again = await later.begin("paste");
  const { login } = again;
  const unfit = later.client.request("login/finish", { login, redirected: await tab.address() });
  t.is((await t.throwsAsync<AuthdError>(unfit))?.reason, "invalid_params");
  // Keycloak remembers the person: the next sign-in asks nothing.
  await tab.open(again.url ?? "");
  await tab.until("location.href.startsWith('chrome-error:')");
  const redirected = await tab.address();
  t.like(await later.client.request("login/finish", { login, redirected }), { state: "ready" });
});
