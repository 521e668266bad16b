/** People sign in at `oidc-provider`, with a real browser. Other servers have a file of their own beside this one. */
import test, { type ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import type { AuthdError } from "../../src/errors.ts";
import type { LoginFlow } from "../../src/protocol.ts";
import { startChromium, type Tab } from "../helpers/chromium.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";
import { PUBLIC_CLIENT, startSignInIssuer } from "../helpers/sign-in-issuer.ts";

const CREDENTIAL = { credential: "mail" };
const SUBMIT = "button[type=submit]";

/** Runs `work` with a daemon, its client, and a browser; says so where no browser is installed. */
function withBrowser(
  title: string,
  work: (t: ExecutionContext, place: Awaited<ReturnType<typeof setup>>) => Promise<void>,
) {
  test.serial(title, async (t) => {
    if (absent("chromium").length > 0) return missing(t, "chromium is not installed");
    return await work(t, await setup(t));
  });
}

async function setup(t: ExecutionContext) {
  const issuer = await startSignInIssuer(t);
  const daemon = await startDaemon(t);
  const settings = {
    issuer: issuer.url,
    client_id: PUBLIC_CLIENT,
    scope: "openid offline_access",
    prompt: "consent",
    // The redirect URI stands in the link then.
    push_request: "false",
  };
  const credential = { grant: "authorization_code", settings, secrets: {} };
  const added = await daemon.add("mail", { credential });
  t.is(added.code, 0, added.stderr);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const begin = (how: LoginFlow) => client.request("login/start", { ...CREDENTIAL, how });
  return { client, begin, tab: await startChromium(t) };
}

/** Enters a name, then consents. */
async function signIn(tab: Tab): Promise<void> {
  await tab.until("!!document.querySelector('[name=login]')");
  await tab.submit({ login: "ada", password: "any" }, SUBMIT);
  await tab.until("!!document.querySelector('[name=prompt][value=consent]')");
  await tab.submit({}, SUBMIT);
}

const redirectUri = (url: string | undefined) =>
  new URL(url ?? "").searchParams.get("redirect_uri") ?? "";

const titled = (title: string) => `document.title.startsWith(${JSON.stringify(title)})`;

withBrowser(
  "the browser ends at a page that says it worked, as it is meant to look",
  async (t, place) => {
    const { tab, client, begin } = place;
    const { url, login } = await begin("browser");
    await tab.open(url ?? "");
    await signIn(tab);
    await tab.until(titled("You are signed in"));
    t.is(await tab.read("document.documentElement.lang"), "en");
    t.is(await tab.read("document.compatMode"), "CSS1Compat");
    t.not(await tab.read("getComputedStyle(document.body).maxWidth"), "none");
    t.is(await tab.read("document.scripts.length"), 0);
    t.like(await client.request("login/finish", { login }), { state: "ready" });
    t.deepEqual(tab.complaintsAbout(redirectUri(url)), []);
    // The address bar still has the code: once more, it brings nothing.
    await tab.read("location.reload()");
    await tab.until(`!${titled("You are signed in")}`);
    t.like(await client.request("credentials/refresh", CREDENTIAL), { state: "ready" });
  },
);

withBrowser("a person who cancels sees that it failed", async (t, { tab, client, begin }) => {
  const { url, login } = await begin("browser");
  await tab.open(url ?? "");
  await tab.until("!!document.querySelector('a[href$=\"/abort\"]')");
  await tab.submit({}, 'a[href$="/abort"]');
  await tab.until(titled("The sign-in failed"));
  t.regex(String(await tab.read("document.body.innerText")), /access_denied/);
  const error = await t.throwsAsync<AuthdError>(client.request("login/finish", { login }));
  t.is(error?.reason, "login_required");
});

withBrowser(
  "somebody else's callback is told as such, and the sign-in goes on",
  async (t, place) => {
    const { tab, client, begin } = place;
    const { url, login } = await begin("browser");
    await tab.open(`${redirectUri(url)}?code=x&state=y`);
    await tab.until(titled("This is not the answer"));
    await tab.open(url ?? "");
    await signIn(tab);
    await tab.until(titled("You are signed in"));
    t.like(await client.request("login/finish", { login }), { state: "ready" });
  },
);

withBrowser("a device code is entered in the browser of another device", async (t, place) => {
  const { tab, client, begin } = place;
  const { login, verificationUri, userCode } = await begin("device");
  await tab.open(verificationUri ?? "");
  await tab.until("!!document.querySelector('[name=user_code]')");
  await tab.submit({ user_code: userCode ?? "" }, SUBMIT);
  await tab.until("!!document.querySelector('[name=confirm]')");
  await tab.submit({}, SUBMIT);
  await signIn(tab);
  t.like(await client.request("login/finish", { login }), { state: "ready" });
});

withBrowser(
  "paste: the address that the browser could not open is what authd takes",
  async (t, place) => {
    const { tab, client, begin } = place;
    const { url, login } = await begin("paste");
    await tab.open(url ?? "");
    await signIn(tab);
    await tab.until("location.href.startsWith('chrome-error:')");
    const redirected = await tab.address();
    t.like(await client.request("login/finish", { login, redirected }), { state: "ready" });
  },
);
