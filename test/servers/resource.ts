/** A person signs in for an API that names its issuer itself, with a real browser. */
import test, { type ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import type { AuthdError } from "../../src/errors.ts";
import type { LoginParams } from "../../src/protocol.ts";
import { startChromium, type Tab } from "../helpers/chromium.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";
import { RESOURCE_FEATURES, startResourceServer } from "../helpers/resource-server.ts";
import { startSignInIssuer } from "../helpers/sign-in-issuer.ts";

const CREDENTIAL = { credential: "notes" };
const SUBMIT = "button[type=submit]";

async function setup(t: ExecutionContext) {
  const issuer = await startSignInIssuer(t, { features: RESOURCE_FEATURES });
  const server = await startResourceServer(t, issuer);
  const daemon = await startDaemon(t);
  const added = await daemon.cli(["add", "notes", "--resource", server.url]);
  t.is(added.code, 0, added.stderr);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const begin = (demand: Partial<LoginParams> = {}) =>
    client.request("login/start", { ...CREDENTIAL, how: "browser", ...demand });
  return { issuer, server, client, begin, tab: await startChromium(t) };
}

async function consent(tab: Tab): Promise<void> {
  await tab.until("!!document.querySelector('[name=prompt][value=consent]')");
  await tab.submit({}, SUBMIT);
  await tab.until("document.title.startsWith('You are signed in')");
}

test.serial("the registered client signs in, and once more when the API wants more", async (t) => {
  if (absent("chromium").length > 0) return missing(t, "chromium is not installed");
  const { server, client, begin, tab } = await setup(t);
  const first = await begin();
  await tab.open(first.url ?? "");
  await tab.until("!!document.querySelector('[name=login]')");
  await tab.submit({ login: "ada", password: "any" }, SUBMIT);
  await consent(tab);
  t.like(await client.request("login/finish", { login: first.login }), { state: "ready" });
  const read = { ...CREDENTIAL, url: server.url };
  t.like(await client.authorizedRequest(read), { status: 200 });
  const write = { ...CREDENTIAL, url: `${server.url}/write` };
  t.is((await client.authorizedRequest(write)).status, 403);
  const { troubles = [] } = await client.request("credentials/show", CREDENTIAL);
  t.like(troubles[0], { help: "authd login notes --scope files:write" });
  // The issuer remembers the person, and asks for consent alone.
  const second = await begin({ scope: "files:write" });
  await tab.open(second.url ?? "");
  await consent(tab);
  t.like(await client.request("login/finish", { login: second.login }), { state: "ready" });
  t.like(await client.authorizedRequest(write), { status: 200 });
});

test.serial(
  "a person who cancels leaves the API without a token, and the client registered",
  async (t) => {
    if (absent("chromium").length > 0) return missing(t, "chromium is not installed");
    const { issuer, server, client, begin, tab } = await setup(t);
    const { url, login } = await begin();
    await tab.open(url ?? "");
    await tab.until("!!document.querySelector('a[href$=\"/abort\"]')");
    await tab.submit({}, 'a[href$="/abort"]');
    await tab.until("document.title.startsWith('The sign-in failed')");
    const error = await t.throwsAsync<AuthdError>(client.request("login/finish", { login }));
    t.is(error?.reason, "login_required");
    t.true(server.seen.every(({ headers }) => headers.authorization === undefined));
    await begin();
    t.is(issuer.requests.filter((path) => path === "/reg").length, 1);
  },
);
