/** Helpers that name their credential: Google's libraries, mail programs, agents. */
import test from "ava";
import { FileScope } from "../../helpers/scope.ts";
import { startToolDaemon, type ToolDaemon } from "../../helpers/tool-daemon.ts";

const scope = new FileScope();
let daemon: ToolDaemon;

test.before(async () => {
  daemon = await startToolDaemon(scope);
  await daemon.addExpiring("short");
  await daemon.addStatic(
    "fixed",
    "fixed-token",
    "headers.authorization=Bearer {token}",
    "headers.x-tenant=7",
  );
});
test.after.always(() => scope.end());

test("Google's libraries get a subject token of the type that they name", async (t) => {
  const gcp = async (name: string, type?: string) => {
    const env = type ? { GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE: type } : {};
    return JSON.parse((await daemon.cli(["helper", "gcp", name], { env })).stdout);
  };
  const { expiration_time, ...short } = await gcp("short");
  const jwt = "urn:ietf:params:oauth:token-type:jwt";
  const success = { version: 1, success: true };
  t.deepEqual(short, { ...success, token_type: jwt, id_token: "practice-1" });
  t.true(Number.isInteger(expiration_time) && expiration_time < 1e10);
  const saml2 = "urn:ietf:params:oauth:token-type:saml2";
  t.deepEqual(await gcp("fixed", saml2), {
    ...success,
    token_type: saml2,
    saml_response: "fixed-token",
  });
});

test("Google's libraries get an error in JSON", async (t) => {
  const { code, stdout } = await daemon.helper(["gcp", "unknown"]);
  t.is(code, 0);
  const { message, ...rest } = JSON.parse(stdout);
  t.deepEqual(rest, { version: 1, success: false, code: "authd_4" });
  t.regex(message, /unknown/);
});

test("mail programs get a token, or the client's message with it", async (t) => {
  const mail = async (...words: string[]) => (await daemon.helper(["mail", ...words])).stdout;
  t.is(await mail("fixed"), "fixed-token\n");
  const decoded = (text: string) => Buffer.from(text, "base64").toString();
  t.is(
    decoded(await mail("fixed", "--xoauth2", "me@mail.example")),
    "user=me@mail.example\x01auth=Bearer fixed-token\x01\x01",
  );
  t.is(
    decoded(await mail("fixed", "--oauthbearer", "m=e,you@mail.example")),
    "n,a=m=3De=2Cyou@mail.example,\x01auth=Bearer fixed-token\x01\x01",
  );
  for (const words of [[], ["fixed", "short"], ["fixed", "--xoauth"], ["fixed", "--xoauth2"]]) {
    const { code, stderr } = await daemon.helper(["mail", ...words]);
    t.is(code, 2);
    t.regex(stderr, /authd helper mail NAME/);
  }
});

test("agents get a key, or headers in JSON", async (t) => {
  t.is((await daemon.helper(["agent", "fixed"])).stdout, "fixed-token\n");
  const { stdout } = await daemon.helper(["agent", "fixed", "--headers"]);
  t.deepEqual(JSON.parse(stdout), { authorization: "Bearer fixed-token", "x-tenant": "7" });
  t.is((await daemon.helper(["agent"])).code, 2);
  t.is((await daemon.helper(["agent", "fixed", "more"])).code, 2);
  const unknown = await daemon.helper(["agent", "unknown"]);
  t.deepEqual([unknown.code, unknown.stdout], [4, ""]);
});
