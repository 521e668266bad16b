/** Subject tokens (RFC 8693): read anew for each token request, from wherever the file says. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { differencesOf } from "../../src/config/differences.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { onUnix } from "../helpers/optional.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";

const TOKEN = { json: { access_token: "one", token_type: "N_A", expires_in: 600 } };
const TYPE = "urn:ietf:params:oauth:token-type:";

const file = (token_url: string, subject: Record<string, unknown>) => ({
  ...{ grant: "token_exchange", token_url, audience: "//iam.example/pool", subject },
});

test("a file is read for each token request", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { add, dir } = await startTestRegistry(t);
  const path = join(dir, "token");
  writeFileSync(path, "first\n");
  const credential = await add("work", file(issuer.url, { file: path }), {});
  t.is((await credential.token({})).accessToken, "one");
  writeFileSync(path, "second\n");
  await credential.token({ forceRefresh: true, timeoutMs: 60_000 });
  const forms = issuer.requests.map(({ form }) => Object.fromEntries(form));
  t.deepEqual(forms[0], {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token: "first",
    subject_token_type: `${TYPE}jwt`,
    audience: "//iam.example/pool",
  });
});

test("a file that is not there is tried again, and named", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { add, dir } = await startTestRegistry(t);
  const path = join(dir, "token");
  const credential = await add("work", file(issuer.url, { file: path, place: "/id_token" }), {});
  const missing = await t.throwsAsync(async () => credential.token({}), { message: /ENOENT/ });
  t.like(missing, { reason: "issuer_unavailable", credential: "work" });
  writeFileSync(path, '{"other": 1}');
  const empty = async () => credential.token({ forceRefresh: true, timeoutMs: 60_000 });
  await t.throwsAsync(empty);
  t.is(issuer.requests.length, 0);
  t.is(credential.info().state, "failing");
});

test("an address is asked with headers, and the place says where its answer has the token", async (t) => {
  const metadata = await startIssuer(t, { json: { value: "from-metadata" } });
  const issuer = await startIssuer(t, TOKEN);
  const { add } = await startTestRegistry(t);
  const subject = {
    url: `${metadata.origin}/identity?audience=pool`,
    headers: { "Metadata-Flavor": "Google", authorization: "Bearer {secret.request_token}" },
    place: "/value",
  };
  const secrets = { request_token: "practice-request-token" };
  const credential = await add("work", file(issuer.url, subject), secrets);
  t.deepEqual(
    credential.settings.secrets.map(({ name }) => name),
    ["request_token"],
  );
  await credential.token({});
  t.like(metadata.requests[0], { method: "GET", path: "/identity?audience=pool" });
  t.like(metadata.requests[0]!.headers, {
    "metadata-flavor": "Google",
    authorization: "Bearer practice-request-token",
  });
  t.is(issuer.requests[0]!.form.get("subject_token"), "from-metadata");
});

test("an address that refuses is named, and nothing goes to the issuer", async (t) => {
  const metadata = await startIssuer(t, { status: 403, body: "no" });
  const issuer = await startIssuer(t, TOKEN);
  const { add } = await startTestRegistry(t);
  const credential = await add("work", file(issuer.url, { url: metadata.url }), {});
  const error = await t.throwsAsync(async () => credential.token({}));
  t.like(error, { reason: "issuer_unavailable" });
  t.regex(error.message, /subject\.url answered HTTP 403/);
  t.is(issuer.requests.length, 0);
});

test("another credential's token is exchanged for one with fewer rights", async (t) => {
  const issuer = await startIssuer(t, ({ form }) =>
    form.get("grant_type") === "client_credentials"
      ? { json: { access_token: "broad", token_type: "bearer", expires_in: 600 } }
      : TOKEN,
  );
  const { add } = await startTestRegistry(t);
  const client = { grant: "client_credentials", token_url: issuer.url, client_id: "me" };
  await add("broad", client, { client_secret: "practice-secret" });
  const narrow = { ...file(issuer.url, { credential: "broad" }), scope: "read" };
  const credential = await add("narrow", narrow, {});
  await credential.token({});
  t.like(Object.fromEntries(issuer.requests[1]!.form), {
    ...{ subject_token: "broad", subject_token_type: `${TYPE}access_token`, scope: "read" },
  });
});

test("credentials that need each other, and one that is not there, say so at once", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { add } = await startTestRegistry(t);
  const one = await add("one", file(issuer.url, { credential: "other" }), {});
  const absent = await t.throwsAsync(async () => one.token({}));
  t.regex(absent.message, /subject\.credential has none either: .*other/);
  const other = await add("other", file(issuer.url, { credential: "one" }), {});
  const loop = await t.throwsAsync(async () => other.token({}));
  t.regex(loop.message, /other needs one needs other: that has no beginning/);
  t.is(issuer.requests.length, 0);
});

test("four subjects at one host do not block the credential that they need", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { add } = await startTestRegistry(t);
  const client = { grant: "client_credentials", token_url: issuer.url, client_id: "me" };
  await add("broad", client, { client_secret: "practice-secret" });
  const names = ["a", "b", "c", "d", "e", "f"];
  const all = await Promise.all(
    names.map((name) => add(name, file(issuer.url, { credential: "broad" }), {})),
  );
  const tokens = await Promise.all(all.map(async (credential) => credential.token({})));
  t.is(tokens.length, 6);
  t.is(issuer.requests.length, 7);
});

onUnix(
  "a program prints the token; it gets its arguments and no secrets in its environment",
  async (t) => {
    const issuer = await startIssuer(t, TOKEN);
    const { add, dir } = await startTestRegistry(t, { allowsExec: true });
    process.env.A_SECRET_OF_THIS_TEST = "set";
    t.teardown(() => delete process.env.A_SECRET_OF_THIS_TEST);
    const script = 'echo "{\\"token\\": \\"$1-${A_SECRET_OF_THIS_TEST:-clean}\\"}"';
    mkdirSync(dir, { recursive: true });
    const exec = ["/bin/sh", "-c", script, "sh", "$(id); x"];
    const subject = { exec, place: "/token" };
    const credential = await add("work", file(issuer.url, subject), {});
    await credential.token({});
    t.is(issuer.requests[0]!.form.get("subject_token"), "$(id); x-clean");
  },
);

onUnix("a program that fails is told of without what it printed; off, it is not run", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { add } = await startTestRegistry(t, { allowsExec: true });
  for (const [name, exec, wanted] of [
    ["status", ["/bin/sh", "-c", "echo tell-nobody; exit 3"], /ended with status 3/],
    ["absent", ["/no/such/program"], /can't be started \(ENOENT\)/],
    ["long", ["/bin/sh", "-c", "yes tell-nobody"], /printed too much/],
  ] as const) {
    const credential = await add(name, file(issuer.url, { exec: [...exec] }), {});
    const error = await t.throwsAsync(async () => credential.token({}), { message: wanted });
    t.false(error.message.includes("tell-nobody"));
  }
  const off = await startTestRegistry(t);
  const credential = await off.add("work", file(issuer.url, { exec: ["/bin/echo", "x"] }), {});
  const error = await t.throwsAsync(async () => credential.token({}));
  t.regex(error.message, /subject_exec = true in config\.toml/);
  t.is(issuer.requests.length, 0);
});

test("an exchange uses it as {secret.subject_token}, and no error quotes it", async (t) => {
  const issuer = await startIssuer(t, { json: { access_token: "one" } });
  const { add, dir } = await startTestRegistry(t);
  const path = join(dir, "token");
  writeFileSync(path, "subject-token-of-a-pod");
  const exchange = {
    grant: "exchange",
    subject: { file: path },
    request: {
      url: issuer.url,
      form: { grant_type: "client_credentials", client_assertion: "{secret.subject_token}" },
    },
    response: { token: "/access_token" },
  };
  const credential = await add("work", exchange, {});
  await credential.token({});
  t.is(issuer.requests[0]!.form.get("client_assertion"), "subject-token-of-a-pod");
  issuer.answer(({ form }) => ({
    status: 401,
    json: { error: "invalid_client", error_description: `not ${form.get("client_assertion")}` },
  }));
  const other = await add("other", exchange, {});
  const error = await t.throwsAsync(async () => other.token({}));
  t.false(error.message.includes("subject-token-of-a-pod"));
});

test("an edit of where a subject token comes from, or goes, waits for a person", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const elsewhere = await startIssuer(t, TOKEN);
  const { add, dir, settings, restart } = await startTestRegistry(t);
  const path = join(dir, "token");
  writeFileSync(path, "subject-token-of-a-pod");
  const { boundValues } = settings("work", file(issuer.url, { file: path }));
  const credential = await add("work", file(issuer.url, { file: path }), {}, { boundValues });
  await credential.token({});
  credential.applySettings(settings("work", file(elsewhere.url, { file: path })));
  t.is(credential.state(), "changed");
  const error = t.throws(() => void credential.token({}), {
    message: /work: its file.*authd trust work/,
  });
  t.like(error, { reason: "credential_changed", credential: "work" });
  credential.applySettings(settings("work", file(issuer.url, { file: "/etc/hostname" })));
  t.is(credential.state(), "changed");
  credential.applySettings(settings("work", file(issuer.url, { file: path })));
  t.is(credential.state(), "idle");

  const again = await restart();
  const edited = again.registry.add(again.settings("work", file(elsewhere.url, { file: path })));
  t.is(edited.state(), "changed");
  t.is(elsewhere.requests.length, 0);
  await edited.trust();
  await edited.token({});
  t.is(elsewhere.requests[0]!.form.get("subject_token"), "subject-token-of-a-pod");
});

test("a file with a subject that nobody has entered waits for a person, also after a restart", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const first = await startTestRegistry(t);
  const path = join(first.dir, "token");
  writeFileSync(path, "subject-token-of-a-pod");
  const always = { ...file(issuer.url, { file: path }), warm: "always" };
  const credential = first.registry.add(first.settings("work", always));
  const isRefused = (of: typeof credential) => {
    const error = t.throws(() => void of.token({}), { message: /subject.*authd trust work/ });
    t.like(error, { reason: "credential_changed", credential: "work" });
  };
  isRefused(credential);
  credential.applySettings(first.settings("work", { ...always, ttl: 60 }));
  isRefused(credential);
  await credential.noteTest({ message: "sealed with what a test came to" });
  const second = await first.restart();
  const restarted = second.registry.add(second.settings("work", always));
  isRefused(restarted);
  const differences = differencesOf(restarted.settings, restarted.record, always);
  t.like(
    differences.find(({ key }) => key === "subject.file"),
    { was: null, is: path },
  );
  t.is(issuer.requests.length, 0);
  await restarted.trust();
  await restarted.token({});
  const third = await second.restart();
  t.is((await third.registry.add(third.settings("work", always)).token({})).accessToken, "one");
});

test("mistakes in subject are refused by name", async (t) => {
  const { settings } = await startTestRegistry(t);
  for (const [subject, wanted] of [
    [{}, /subject: must have one of file, url, exec, credential and aws/],
    [{ file: "/a", credential: "b" }, /must have one of/],
    [{ file: "token" }, /subject\.file: must be an absolute path/],
    [{ exec: ["aws", "sts"] }, /subject\.exec: must begin with a program's absolute path/],
    [{ url: "http://169.254.169.254.example/token" }, /subject\.url.*https/],
    [{ file: "/a", headers: { x: "y" } }, /subject\.headers: has no use without url/],
    [{ credential: "b", place: "/x" }, /subject\.place: has no use with credential/],
  ] as const) {
    t.throws(() => settings("work", file("https://sts.example/token", subject)), {
      message: wanted,
    });
  }
});

test("another program, file or credential waits for authd trust", async (t) => {
  const { settings } = await startTestRegistry(t);
  const digest = (subject: Record<string, unknown>) =>
    settings("work", file("https://sts.example/token", subject)).binding;
  const all = [
    { exec: ["/bin/a"] },
    { exec: ["/bin/a", "b"] },
    { file: "/a" },
    { credential: "a" },
  ];
  t.is(new Set(all.map(digest)).size, all.length);
});
