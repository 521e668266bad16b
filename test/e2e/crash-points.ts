import test, { type ExecutionContext } from "ava";
import { type Family, RotatingIssuer } from "../../bench/helpers/rotating-issuer.ts";
import { type AuthdError, type Client, connect } from "../../src/client.ts";
import { CRASH_POINTS, UNCLOSABLE } from "../helpers/crash-points.ts";
import { startCrashableDaemon } from "../helpers/crashable-daemon.ts";
import { makeHome } from "../helpers/daemon.ts";

const NAME = "demo";

async function startIssuer(t: ExecutionContext, grace: number) {
  const issuer = await RotatingIssuer.start({ lifetime: 3_600_000, grace });
  t.teardown(() => issuer.close());
  return issuer;
}

/** Spends the refresh token, whatever the daemon thinks of the access token that it has. */
const renew = (client: Client) => client.getToken({ credential: NAME, forceRefresh: true });

for (const grace of [0, 60_000]) {
  const what = grace
    ? "killed at any point of a renewal, nothing is lost at an issuer with a grace"
    : "killed at any point of a renewal, a session is lost only if the issuer alone knows the new refresh token";
  test.serial(what, async (t) => {
    const issuer = await startIssuer(t, grace);
    const home = makeHome(t);
    const client = connect({ socket: home.socket });
    t.teardown(() => client.close());
    let family: Family = issuer.signIn("first");
    let daemon = await startCrashableDaemon(t, home);
    await client.request("credentials/add", { name: NAME, ...issuer.credential(family) });
    for (const [number, point] of CRASH_POINTS.entries()) {
      await daemon.arm(point);
      // A scope of its own: another token for the credential's own would not be had within a second.
      const wanted = { credential: NAME, scope: `scope-${number}` };
      const asked = client.getToken(wanted).catch(() => undefined);
      t.is((await daemon.ended).signal, "SIGKILL", point);
      await issuer.settled();
      daemon = await startCrashableDaemon(t, home);
      const isLast = point === "after the client was answered";
      t.is(
        (await asked) !== undefined,
        isLast,
        `who waits gets nothing before it is safe: ${point}`,
      );
      if (!grace && UNCLOSABLE.has(point)) {
        const refused = await t.throwsAsync<AuthdError>(renew(client), undefined, point);
        t.is(refused?.reason, "login_required", point);
        t.true(family.revoked);
        family = issuer.signIn(point);
        const { secrets } = issuer.credential(family);
        await client.request("credentials/set", { credential: NAME, secrets });
      } else {
        t.truthy((await renew(client)).accessToken, point);
        t.false(family.revoked, point);
      }
    }
  });
}
