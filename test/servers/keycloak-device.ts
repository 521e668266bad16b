/** People sign in at Keycloak on another device, by a code. */
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import type { AuthdError } from "../../src/errors.ts";
import { startChromium } from "../helpers/chromium.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { publicClient, testsAtKeycloak } from "../helpers/keycloak/index.ts";
import { consent, enterPassword, enterUserCode } from "../helpers/keycloak/person.ts";
import type { Realm } from "../helpers/keycloak/realm.ts";

const CREDENTIAL = { credential: "tv" };
const EVERY_SECOND = { "oauth2.device.polling.interval": "1" };
const SHORT = { ...EVERY_SECOND, "oauth2.device.code.lifespan": "3" };

const withKeycloak = testsAtKeycloak(
  [publicClient("tv", EVERY_SECOND), publicClient("short", SHORT)],
  "chromium",
);

async function setup(t: ExecutionContext, realm: Realm, clientId: string) {
  const daemon = await startDaemon(t);
  const settings = { issuer: realm.issuer, client_id: clientId, scope: "openid email" };
  const added = await daemon.add("tv", {
    credential: { grant: "device_code", settings, secrets: {} },
  });
  t.is(added.code, 0, added.stderr);
  return { daemon, ...clientOf(t, daemon) };
}

function clientOf(t: ExecutionContext, { socket }: Pick<Daemon, "socket">) {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return { client, begin: () => client.request("login/start", CREDENTIAL) };
}

withKeycloak(
  "a code entered on another device signs in, for all ten who wait",
  async (t, realm) => {
    const { daemon } = await setup(t, realm, "tv");
    const clients = Array.from({ length: 10 }, () => clientOf(t, daemon));
    const begun = await Promise.all(clients.map(({ begin }) => begin()));
    t.is(new Set(begun.map(({ userCode }) => userCode)).size, 1);
    const { login, verificationUri = "", userCode = "" } = begun[0]!;
    const ends = clients.map(({ client }) => client.request("login/finish", { login }));
    const tab = await startChromium(t);
    await tab.open(verificationUri);
    await enterUserCode(tab, userCode);
    await enterPassword(tab, realm);
    await consent(tab, "accept");
    for (const info of await Promise.all(ends)) {
      t.like(info, { state: "ready", login: { account: "ada@example.com" } });
    }
  },
);

withKeycloak("a person who refuses the device", async (t, realm) => {
  const { client, begin } = await setup(t, realm, "tv");
  const { login, verificationUriComplete = "" } = await begin();
  const tab = await startChromium(t);
  await tab.open(verificationUriComplete);
  await enterPassword(tab, realm);
  await consent(tab, "cancel");
  const error = await t.throwsAsync<AuthdError>(client.request("login/finish", { login }));
  t.is(error?.reason, "login_required");
  t.regex(error?.message ?? "", /access_denied/);
});

withKeycloak("a code that expires while a person is waited for", async (t, realm) => {
  const { client, begin } = await setup(t, realm, "short");
  const { login } = await begin();
  const error = await t.throwsAsync<AuthdError>(client.request("login/finish", { login }));
  t.is(error?.reason, "timeout");
  t.regex(error?.message ?? "", /authd login tv/);
});

withKeycloak("a daemon that is killed while the person signs in", async (t, realm) => {
  const { daemon, begin } = await setup(t, realm, "tv");
  const { login, verificationUriComplete = "" } = await begin();
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  await startDaemon(t, { home: daemon });
  const { client, begin: beginLater } = clientOf(t, daemon);
  const gone = client.request("login/finish", { login });
  t.is((await t.throwsAsync<AuthdError>(gone))?.reason, "invalid_params");
  const tab = await startChromium(t);
  await tab.open(verificationUriComplete);
  await enterPassword(tab, realm);
  await consent(tab, "accept");
  t.like(await client.request("credentials/show", CREDENTIAL), { state: "login_required" });
  // Keycloak remembers the person and the consent.
  const again = await beginLater();
  await tab.open(again.verificationUriComplete ?? "");
  await consent(tab, "accept");
  t.like(await client.request("login/finish", { login: again.login }), { state: "ready" });
});
