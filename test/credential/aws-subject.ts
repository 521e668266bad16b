/** `[subject.aws]`: a request to AWS, signed with keys of an instance, a container or the vault (AIP-4117). */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import {
  AWS_KEYS,
  callerIdentity,
  instanceMetadata,
  startInstanceMetadata,
} from "../helpers/aws.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";

const TOKEN = { json: { access_token: "one", token_type: "Bearer", expires_in: 600 } };
const AUDIENCE = "//iam.example/pool/providers/aws";

const file = (token_url: string, aws: Record<string, unknown>) => ({
  ...{ grant: "token_exchange", token_url, audience: AUDIENCE, subject: { aws } },
});

test("an instance's role signs, anew for each token request", async (t) => {
  const metadata = await startInstanceMetadata(t);
  const issuer = await startIssuer(t, TOKEN);
  const { add, clock } = await startTestRegistry(t);
  const credential = await add("work", file(issuer.url, { url: metadata.origin }), {});
  t.deepEqual(credential.settings.secrets, []);
  await credential.token({});
  const { form } = issuer.requests[0]!;
  t.is(form.get("subject_token_type"), "urn:ietf:params:aws:token-type:aws4_request");
  t.is(form.get("audience"), AUDIENCE);
  const { url, method, named } = callerIdentity(form.get("subject_token")!);
  t.is(url, "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15");
  t.is(method, "POST");
  t.like(named, {
    host: "sts.eu-central-1.amazonaws.com",
    "x-goog-cloud-target-resource": AUDIENCE,
    "x-amz-security-token": AWS_KEYS.Token,
  });
  t.regex(
    named.authorization!,
    /SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource,/,
  );
  clock.advance(120_000);
  await credential.token({ forceRefresh: true, timeoutMs: 60_000 });
  const again = callerIdentity(issuer.requests[1]!.form.get("subject_token")!);
  t.not(again.named["x-amz-date"], named["x-amz-date"]);
  t.is(metadata.requests.filter(({ method }) => method === "PUT").length, 2);
});

test("a caller's audience is the one that is signed, as it is the one that is asked for", async (t) => {
  const metadata = await startInstanceMetadata(t);
  const issuer = await startIssuer(t, TOKEN);
  const { add } = await startTestRegistry(t);
  const aws = { url: metadata.origin, region: "us-east-1" };
  const credential = await add("work", file(issuer.url, aws), {});
  await credential.token({ audience: "//iam.example/other" });
  const { form } = issuer.requests[0]!;
  const { named } = callerIdentity(form.get("subject_token")!);
  t.is(named["x-goog-cloud-target-resource"], form.get("audience")!);
  t.is(named.host, "sts.us-east-1.amazonaws.com");
  t.false(metadata.requests.some(({ path }) => path.includes("region")));
});

test("a container's endpoint tells the keys, for who has the token of its file", async (t) => {
  const endpoint = await startIssuer(t, ({ path, headers }) =>
    path === "/v1/credentials" && headers.authorization === "practice-pod-token"
      ? { json: AWS_KEYS }
      : { status: 403 },
  );
  const issuer = await startIssuer(t, TOKEN);
  const { add, dir } = await startTestRegistry(t);
  const token_file = join(dir, "pod-token");
  writeFileSync(token_file, "practice-pod-token\n");
  const aws = {
    ...{ keys: "container", url: `${endpoint.origin}/v1/credentials`, token_file },
    region: "cn-north-1",
    sts_url: "https://sts.{region}.amazonaws.com.cn",
  };
  const credential = await add("work", file(issuer.url, aws), {});
  await credential.token({});
  const { named } = callerIdentity(issuer.requests[0]!.form.get("subject_token")!);
  t.is(named.host, "sts.cn-north-1.amazonaws.com.cn");
});

test("keys in the vault sign; without a session token none is sent", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { add } = await startTestRegistry(t);
  const secrets = {
    access_key_id: AWS_KEYS.AccessKeyId,
    secret_access_key: AWS_KEYS.SecretAccessKey,
  };
  const aws = { keys: "vault", region: "eu-west-1" };
  const credential = await add("work", file(issuer.url, aws), secrets);
  t.deepEqual(
    credential.settings.secrets.map(({ name, optional }) => [name, optional]),
    [
      ["access_key_id", false],
      ["secret_access_key", false],
      ["session_token", true],
    ],
  );
  await credential.token({});
  const { named } = callerIdentity(issuer.requests[0]!.form.get("subject_token")!);
  t.regex(named.authorization!, /Credential=ASIAPRACTICE\/\d{8}\/eu-west-1\/sts\/aws4_request/);
  t.false("x-amz-security-token" in named);
});

test("an exchange signs for the audience that [subject.aws] names", async (t) => {
  const metadata = await startInstanceMetadata(t);
  const issuer = await startIssuer(t, { json: { access_token: "one" } });
  const { add } = await startTestRegistry(t);
  const exchange = {
    ...{ grant: "exchange", response: { token: "/access_token" } },
    subject: { aws: { url: metadata.origin, audience: AUDIENCE } },
    request: { url: issuer.url, form: { subject_token: "{secret.subject_token}" } },
  };
  const credential = await add("work", exchange, {});
  await credential.token({});
  const { named } = callerIdentity(issuer.requests[0]!.form.get("subject_token")!);
  t.is(named["x-goog-cloud-target-resource"], AUDIENCE);
});

test("a credential's own secrets keep their names beside a signed request", async (t) => {
  const metadata = await startInstanceMetadata(t);
  const issuer = await startIssuer(t, { json: { access_token: "one" } });
  const { add } = await startTestRegistry(t);
  const headers = { a: "{secret.session_token}", b: "{secret.authorization}" };
  const exchange = {
    ...{ grant: "exchange", response: { token: "/access_token" } },
    subject: { aws: { url: metadata.origin, audience: AUDIENCE } },
    request: { url: issuer.url, headers, form: { subject_token: "{secret.subject_token}" } },
  };
  const own = { session_token: "practice-own-session", authorization: "practice-own" };
  const credential = await add("work", { ...exchange, secrets: Object.keys(own) }, own);
  await credential.token({});
  t.like(issuer.requests[0]!.headers, { a: "practice-own-session", b: "practice-own" });
});

test("what is missing is named, with what to do, and nothing goes to the issuer", async (t) => {
  const metadata = await startInstanceMetadata(t);
  const issuer = await startIssuer(t, TOKEN);
  const { add } = await startTestRegistry(t);
  for (const [name, answers, wanted] of [
    ["none", { "iam/security-credentials/": undefined }, /names no role; attach one/],
    ["role", { "iam/security-credentials/": "" }, /names no role; attach one to the instance/],
    ["keys", { "iam/security-credentials/reports": "{}" }, /tells no keys .*check its role/],
    ["region", { "placement/region": "evil.example/" }, /no region; set subject\.aws\.region/],
  ] as const) {
    metadata.answer(instanceMetadata(answers));
    const credential = await add(name, file(issuer.url, { url: metadata.origin }), {});
    const error = await t.throwsAsync(async () => credential.token({}), { message: wanted });
    t.like(error, { reason: "issuer_unavailable", credential: name });
  }
  t.is(issuer.requests.length, 0);
});

test("a metadata service that refuses, or is not there, is named", async (t) => {
  const metadata = await startIssuer(t, { status: 403 });
  const issuer = await startIssuer(t, TOKEN);
  const { add } = await startTestRegistry(t);
  for (const [name, url, wanted] of [
    ["refused", metadata.origin, /answered HTTP 403 to PUT \/latest\/api\/token/],
    ["absent", "http://127.0.0.1:1", /can't be asked \(from a container: with a hop limit of 2\)/],
  ] as const) {
    const credential = await add(name, file(issuer.url, { url }), {});
    await t.throwsAsync(async () => credential.token({}), { message: wanted });
  }
  t.is(issuer.requests.length, 0);
});

test("no error quotes what was signed with, however the issuer spells it", async (t) => {
  const metadata = await startInstanceMetadata(t);
  let quoted = (token: string) => token;
  const issuer = await startIssuer(t, ({ form }) => ({
    status: 400,
    json: {
      error: "invalid_grant",
      error_description: quoted(form.get("subject_token")!),
    },
  }));
  const { add } = await startTestRegistry(t);
  for (const [part, name] of [
    ["practice-session-token", "session"],
    ["Signature=", "signature"],
  ] as const) {
    quoted = (token) => {
      const { headers } = callerIdentity(token);
      return `refused ${headers.find(({ value }) => value.includes(part))?.value}`;
    };
    const credential = await add(name, file(issuer.url, { url: metadata.origin }), {});
    const error = await t.throwsAsync(async () => credential.token({}));
    t.regex(error.message, /invalid_grant/);
    t.false(JSON.stringify([error, error.message]).includes(part));
  }
});

test("mistakes are refused by name", async (t) => {
  const { settings } = await startTestRegistry(t);
  const local = "http://127.0.0.1:8080/x";
  for (const [aws, wanted] of [
    [{ url: "http://keys.example" }, /subject\.aws\.url must be https.*allow_insecure_http/],
    [{ keys: "container", region: "eu-west-1" }, /subject\.aws: needs url/],
    [{ keys: "container", url: local }, /subject\.aws: needs region/],
    [{ keys: "vault", url: local, region: "eu-west-1" }, /subject\.aws\.url: has no use/],
    [{ url: local, token_file: "/a" }, /subject\.aws\.token_file: has no use/],
    [{ url: local, token_file: "a" }, /subject\.aws\.token_file: must be an absolute path/],
    [{ url: local, region: "evil.example/" }, /subject\.aws\.region: must be a region/],
    [{ url: local, sts_url: "http://sts.example" }, /subject\.aws\.sts_url must be https/],
  ] as const) {
    t.throws(() => settings("work", file("https://sts.example/token", aws)), { message: wanted });
  }
  const { audience: _, ...without } = file("https://sts.example/token", { url: local });
  t.throws(() => settings("work", without), { message: /audience is missing: subject\.aws signs/ });
  t.notThrows(() => settings("work", file("https://sts.example/token", {})));
});

test("another source of keys, or another STS, waits for authd trust", async (t) => {
  const { settings } = await startTestRegistry(t);
  const digest = (aws: Record<string, unknown>) =>
    settings("work", file("https://sts.example/token", aws)).binding;
  const all = [
    {},
    { url: "http://169.254.170.2/x" },
    { keys: "vault", region: "eu-west-1" },
    { keys: "vault", region: "eu-west-2" },
    { keys: "container", region: "eu-west-1", url: "http://169.254.170.23/v1/credentials" },
    { sts_url: "https://sts.amazonaws.com" },
  ];
  t.is(new Set(all.map(digest)).size, all.length);
});
