import { createHash } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import type { AuthdError } from "../../../src/errors.ts";
import { authorizeDevice, pollDevice } from "../../../src/grants/login/device-flow.ts";
import type { LoginContext } from "../../../src/grants/login/settings.ts";
import { createHttp } from "../../../src/http/http.ts";
import { createIssuerSend } from "../../../src/http/issuer.ts";
import { IssuerClocks } from "../../../src/http/issuer-clock.ts";
import { type RecordedRequest, startIssuer } from "../../helpers/issuer.ts";

const CODES = {
  ...{ device_code: "d", user_code: "ABCD", expires_in: 600, interval: 1 },
  verification_uri: "https://login.example/device",
};
const REFUSED = { status: 400, json: { error: "invalid_request", error_description: "no PKCE" } };

/** An issuer that refuses device requests as told. */
async function setup(t: ExecutionContext, refuses: (seen: RecordedRequest) => boolean) {
  const issuer = await startIssuer(t, (seen) => {
    if (seen.path === "/token") return { json: { access_token: "a", token_type: "Bearer" } };
    return refuses(seen) ? REFUSED : { json: CODES };
  });
  const http = createHttp();
  t.teardown(() => http.close());
  const now = Date.now();
  const clocks = new IssuerClocks({ now: () => ({ wall: now, boot: 0 }) });
  const context = (methods?: string[]) =>
    ({
      ...{ credential: "tv", secrets: {}, fields: {}, held: [], rejectedOn: [], now },
      settings: { client_id: "tv", token_url: issuer.url, device_url: `${issuer.origin}/device` },
      metadata: { issuer: issuer.origin, code_challenge_methods_supported: methods },
      send: createIssuerSend({ http, credential: "tv", allowInsecureHttp: false, clocks }),
    }) as unknown as LoginContext;
  return { issuer, context };
}

const PACE = { intervalMs: 1_000, waitMs: 1_000 };

const isWithout = ({ form }: RecordedRequest) => !form.has("code_challenge");

test("an issuer that wants PKCE for a device code gets it, once it has said so", async (t) => {
  const { issuer, context } = await setup(t, isWithout);
  const authorization = await authorizeDevice(context(["plain", "S256"]));
  t.true("signedIn" in (await pollDevice(context(["S256"]), authorization, PACE)));
  const [first, second, polled] = issuer.requests;
  t.is(first?.form.get("code_challenge"), null);
  t.is(second?.form.get("code_challenge_method"), "S256");
  const verifier = polled?.form.get("code_verifier") ?? "";
  const digest = createHash("sha256").update(verifier).digest("base64url");
  t.is(second?.form.get("code_challenge"), digest);
});

test("one that takes the request as it is never sees PKCE", async (t) => {
  const { issuer, context } = await setup(t, () => false);
  const authorization = await authorizeDevice(context(["S256"]));
  await pollDevice(context(["S256"]), authorization, PACE);
  t.deepEqual(
    issuer.requests.map(({ form }) => form.has("code_challenge") || form.has("code_verifier")),
    [false, false],
  );
});

test("one that refuses all the same is quoted with its first answer, and only S256 is tried", async (t) => {
  const { issuer, context } = await setup(t, () => true);
  for (const [methods, requests] of [
    [["S256"], 2],
    [["plain"], 3],
    [undefined, 4],
  ] as const) {
    const asked = authorizeDevice(context(methods && [...methods]));
    const error = await t.throwsAsync<AuthdError>(asked);
    t.is(error?.oauth?.error, "invalid_request");
    t.is(issuer.requests.length, requests);
  }
});
