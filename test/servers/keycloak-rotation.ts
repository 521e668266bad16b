/** Refresh tokens of Keycloak that are good for one use, over every end of the daemon. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import type { AuthdError } from "../../src/errors.ts";
import { startChromium } from "../helpers/chromium.ts";
import type { CrashPoint } from "../helpers/crash-points.ts";
import { startCrashableDaemon } from "../helpers/crashable-daemon.ts";
import { type Home, makeHome, type Said, startDaemon } from "../helpers/daemon.ts";
import { publicClient, testsAtKeycloak } from "../helpers/keycloak/index.ts";
import { enterPassword } from "../helpers/keycloak/person.ts";
import type { Realm } from "../helpers/keycloak/realm.ts";

/** Before the token is spent, and after its successor is sealed (test/e2e/crash-points.ts has all instants). */
const SURVIVABLE: readonly CrashPoint[] = [
  "with the request half sent",
  "with the rotated token renamed into place",
  "after the client was answered",
];
const RENEWAL_PAUSE_MS = 1_100;
const CREDENTIAL = { credential: "mail" };

const withKeycloak = testsAtKeycloak([publicClient("app"), publicClient("other")], "chromium");

/** Returns a place with a signed-in credential, whose daemon has ended. */
async function signedIn(t: ExecutionContext, realm: Realm, clientId = "app"): Promise<Home> {
  const home = makeHome(t);
  const daemon = await startDaemon(t, { home });
  const settings = {
    ...{ issuer: realm.issuer, client_id: clientId, scope: "openid" },
    origins: realm.server.http,
  };
  const credential = { grant: "authorization_code", settings, secrets: {} };
  const added = await daemon.add("mail", { credential });
  t.is(added.code, 0, added.stderr);
  await signIn(t, realm, daemon);
  await daemon.stop();
  return home;
}

async function signIn(t: ExecutionContext, realm: Realm, { socket }: Home): Promise<void> {
  const client = connect({ socket });
  const { url = "", login } = await client.request("login/start", {
    ...CREDENTIAL,
    how: "browser",
  });
  const tab = await startChromium(t);
  await tab.open(url);
  await enterPassword(tab, realm);
  t.like(await client.request("login/finish", { login }), { state: "ready" });
  client.close();
}

/** Spends the refresh token, at an instant of which a daemon is killed. */
async function crash(t: ExecutionContext, home: Home, instant: CrashPoint): Promise<void> {
  const { arm, ended } = await startCrashableDaemon(t, home);
  // Within a second of a renewal its token would be the answer.
  await sleep(RENEWAL_PAUSE_MS);
  await arm(instant);
  const client = connect({ socket: home.socket });
  const asked = client.getToken({ ...CREDENTIAL, forceRefresh: true }).catch(() => {});
  t.is((await ended).signal, "SIGKILL", instant);
  client.close();
  await asked;
}

/** Runs one command beside a daemon of its own. */
async function afterRestart(t: ExecutionContext, home: Home, ...args: string[]): Promise<Said> {
  const daemon = await startDaemon(t, { home });
  const said = await daemon.cli(args);
  await daemon.stop();
  return said;
}

withKeycloak("no end of the daemon that can be survived costs the sign-in", async (t, realm) => {
  const home = await signedIn(t, realm);
  for (const instant of SURVIVABLE) {
    await crash(t, home, instant);
    const { code, stderr } = await afterRestart(t, home, "refresh", "mail");
    t.is(code, 0, `${instant}: ${stderr}`);
  }
  t.is(await realm.count("REFRESH_TOKEN_ERROR", "app"), 0);
});

withKeycloak("a token that was spent and lost: login_required, and a way on", async (t, realm) => {
  const home = await signedIn(t, realm, "other");
  await crash(t, home, "with the answer there");
  const { code, stderr } = await afterRestart(t, home, "refresh", "mail");
  t.is(code, 5, stderr);
  t.regex(stderr, /authd login mail/);
  t.true((await realm.count("REFRESH_TOKEN_ERROR", "other")) > 0, "Keycloak saw it again");
  const daemon = await startDaemon(t, { home });
  await signIn(t, realm, daemon);
  t.is((await daemon.cli(["refresh", "mail"])).code, 0);
});

withKeycloak(
  "logout revokes at the issuer; a session ended there asks for a sign-in",
  async (t, realm) => {
    const home = await signedIn(t, realm);
    const daemon = await startDaemon(t, { home });
    const client = connect({ socket: daemon.socket });
    t.teardown(() => client.close());
    const { headers } = await client.getToken(CREDENTIAL);
    const userinfo = () => fetch(`${realm.issuer}/protocol/openid-connect/userinfo`, { headers });
    t.is((await userinfo()).status, 200);
    t.like(await client.request("credentials/logout", CREDENTIAL), { revoked: true });
    t.is((await userinfo()).status, 401);
    t.is(await realm.count("REVOKE_GRANT", "app"), 1);
    await signIn(t, realm, daemon);
    await realm.endSessions();
    const error = await t.throwsAsync<AuthdError>(
      client.request("credentials/refresh", CREDENTIAL),
    );
    t.is(error?.reason, "login_required");
    t.regex(error?.message ?? "", /authd login mail/);
  },
);
