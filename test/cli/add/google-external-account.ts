/** Google's external-account files (AIP-4117), as gcloud makes them, through a real daemon. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { callerIdentity, startInstanceMetadata } from "../../helpers/aws.ts";
import { type Daemon, startDaemon } from "../../helpers/daemon.ts";
import { type Issuer, startIssuer } from "../../helpers/issuer.ts";
import { onLinux, onUnix } from "../../helpers/optional.ts";
import { onTerminal } from "../../helpers/terminal.ts";

const TYPE = "urn:ietf:params:oauth:token-type:";
const AUDIENCE =
  "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x";
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const EMAIL = "robot@project.iam.gserviceaccount.com";
const IMPERSONATION = `/v1/projects/-/serviceAccounts/${EMAIL}:generateAccessToken`;

/** Google's STS, and its service that makes tokens of service accounts. */
function startGoogle(t: ExecutionContext): Promise<Issuer> {
  return startIssuer(t, ({ path, headers, body }) => {
    if (path !== IMPERSONATION) {
      const token = { access_token: "federated", token_type: "Bearer", expires_in: 3_599 };
      return { json: { ...token, issued_token_type: `${TYPE}access_token` } };
    }
    if (headers.authorization !== "Bearer federated") return { status: 401 };
    const { scope } = JSON.parse(body) as { scope: string[] };
    const expireTime = new Date(Date.now() + 3_600_000).toISOString();
    return { json: { accessToken: `robot for ${scope.length}`, expireTime } };
  });
}

interface Source {
  [name: string]: unknown;
}

function configuration(
  { folder }: Daemon,
  google: Issuer,
  credential_source: Source,
  more: Record<string, unknown> = {},
): string {
  const file = join(folder, "external.json");
  const content = {
    universe_domain: "googleapis.com",
    type: "external_account",
    audience: AUDIENCE,
    subject_token_type: `${TYPE}jwt`,
    token_url: `${google.origin}/v1/token`,
    token_info_url: `${google.origin}/v1/introspect`,
    credential_source,
    ...more,
  };
  writeFileSync(file, JSON.stringify(content));
  chmodSync(file, 0o644);
  return file;
}

const add = (file: string, ...more: string[]) => [
  ...["add", "gcs", "--google-external-account", file],
  ...["--set", "origins=https://storage.googleapis.com", ...more],
];

test("a token in a file, as text or in JSON", async (t) => {
  const google = await startGoogle(t);
  const daemon = await startDaemon(t);
  const token = join(daemon.folder, "token");
  for (const [content, format] of [
    ["from-a-file\n", undefined],
    ['{"a/b": "from-a-file"}', { type: "json", subject_token_field_name: "a/b" }],
  ] as const) {
    writeFileSync(token, content);
    const file = configuration(daemon, google, { file: token, format });
    const added = await daemon.cli(add(file, "--replace"));
    t.is(added.code, 0, added.stderr);
    t.deepEqual(Object.fromEntries(google.requests.at(-1)!.form), {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      ...{ audience: AUDIENCE, scope: SCOPE, subject_token: "from-a-file" },
      ...{ subject_token_type: `${TYPE}jwt`, requested_token_type: `${TYPE}access_token` },
    });
  }
  t.is((await daemon.cli(["get", "gcs"])).stdout, "federated\n");
});

test("a service account's token is obtained with the federated one, for the scopes of --set", async (t) => {
  const google = await startGoogle(t);
  const daemon = await startDaemon(t);
  const token = join(daemon.folder, "token");
  writeFileSync(token, "from-a-file");
  const file = configuration(
    daemon,
    google,
    { file: token },
    {
      service_account_impersonation_url: google.origin + IMPERSONATION,
      service_account_impersonation: { token_lifetime_seconds: 1_800 },
    },
  );
  const added = await daemon.cli(add(file, "--set", "scope=https://a.example https://b.example"));
  t.is(added.code, 0, added.stderr);
  t.is((await daemon.cli(["get", "gcs"])).stdout, "robot for 2\n");
  const [exchange, impersonation] = google.requests;
  t.is(exchange!.form.get("scope"), SCOPE);
  t.deepEqual(JSON.parse(impersonation!.body), {
    scope: ["https://a.example", "https://b.example"],
    lifetime: "1800s",
  });
  const { expiresAt } = JSON.parse((await daemon.cli(["show", "gcs", "--json"])).stdout);
  t.true(expiresAt > Date.now());
});

test("an address is asked; its headers go into the vault, but for those that everybody may see", async (t) => {
  const google = await startGoogle(t);
  const platform = await startIssuer(t, ({ headers }) =>
    headers.authorization === "Bearer practice-request" && headers.metadata === "True"
      ? { json: { value: "from-a-platform" } }
      : { status: 403 },
  );
  const daemon = await startDaemon(t);
  const file = configuration(
    daemon,
    google,
    {
      url: `${platform.origin}/token?audience=x`,
      headers: { Authorization: "Bearer practice-request", Metadata: "True" },
      format: { type: "json", subject_token_field_name: "value" },
    },
    { quota_project_id: "payer", workforce_pool_user_project: "4711" },
  );
  const added = await daemon.cli(add(file));
  t.is(added.code, 0, added.stderr);
  const { form } = google.requests[0]!;
  t.is(form.get("subject_token"), "from-a-platform");
  t.is(form.get("options"), '{"userProject":"4711"}');
  const header = await daemon.cli(["get", "gcs", "--format", "header"]);
  t.deepEqual(header.stdout.trim().split("\n").sort(), [
    "Authorization: Bearer federated",
    "X-Goog-User-Project: payer",
  ]);
  const shown = await daemon.cli(["show", "gcs", "--json"]);
  t.false(shown.stdout.includes("practice-request"));
});

test("an instance of AWS signs, also for a service account", async (t) => {
  const google = await startGoogle(t);
  const metadata = await startInstanceMetadata(t);
  const daemon = await startDaemon(t);
  const root = `${metadata.origin}/latest`;
  const source = {
    environment_id: "aws1",
    region_url: `${root}/meta-data/placement/availability-zone`,
    url: `${root}/meta-data/iam/security-credentials`,
    imdsv2_session_token_url: `${root}/api/token`,
    regional_cred_verification_url:
      "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
  };
  const subject_token_type = "urn:ietf:params:aws:token-type:aws4_request";
  const impersonated = { service_account_impersonation_url: google.origin + IMPERSONATION };
  for (const more of [{}, impersonated]) {
    const file = configuration(daemon, google, source, { subject_token_type, ...more });
    const added = await daemon.cli(add(file, "--replace"));
    t.is(added.code, 0, added.stderr);
  }
  t.is((await daemon.cli(["get", "gcs"])).stdout, "robot for 1\n");
  for (const { form } of google.requests.filter(({ path }) => path !== IMPERSONATION)) {
    t.is(form.get("subject_token_type"), subject_token_type);
    const { named } = callerIdentity(form.get("subject_token")!);
    t.is(named["x-goog-cloud-target-resource"], AUDIENCE);
  }
});

onUnix("a program prints the token, and is told what AIP-4117 says", async (t) => {
  const google = await startGoogle(t);
  const daemon = await startDaemon(t, { config: { "config.toml": "subject_exec = true\n" } });
  const program = join(daemon.folder, "print-token");
  const lines = [
    "#!/bin/sh",
    'test "$GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE" = 0 || exit 1',
    'echo "{\\"version\\": 1, \\"success\\": true, \\"id_token\\": \\"$1 $GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE\\"}"',
  ];
  writeFileSync(program, `${lines.join("\n")}\n`, { mode: 0o755 });
  const executable = { command: `${program} --flag`, timeout_millis: 5_000, output_file: "/x" };
  const file = configuration(daemon, google, { executable });
  const added = await daemon.cli(add(file));
  t.is(added.code, 0, added.stderr);
  t.is(google.requests[0]!.form.get("subject_token"), `--flag ${TYPE}jwt`);
});

test("a client with a secret: it is sealed, and sent", async (t) => {
  const google = await startGoogle(t);
  const daemon = await startDaemon(t);
  const token = join(daemon.folder, "token");
  writeFileSync(token, "from-a-file");
  const client = { client_id: "me", client_secret: "practice-client-secret" };
  const added = await daemon.cli(add(configuration(daemon, google, { file: token }, client)));
  t.is(added.code, 0, added.stderr);
  const basic = Buffer.from("me:practice-client-secret").toString("base64");
  t.is(google.requests[0]!.headers.authorization, `Basic ${basic}`);
  t.regex(added.stderr, /external\.json still holds it, too/);
  if (process.platform !== "win32") t.regex(added.stderr, /others on this machine can read it/);
  t.false((await daemon.cli(["show", "gcs", "--json"])).stdout.includes("practice-client"));
});

test("what is read and where it goes is shown before, with a warning of hosts that are not Google's", async (t) => {
  const google = await startGoogle(t);
  const daemon = await startDaemon(t);
  const token = join(daemon.folder, "token");
  writeFileSync(token, "from-a-file");
  const file = configuration(daemon, google, { file: token });
  const { stderr } = await daemon.cli(add(file));
  t.true(stderr.includes(`reads    the file ${token}\n`), stderr);
  t.true(stderr.includes(`sent to  ${google.origin}\n`), stderr);
  t.true(stderr.includes(`warning: ${google.origin} is not one of *.googleapis.com`), stderr);
  t.notRegex(stderr, /others on this machine|still holds/);
  const away = { token_url: "https://sts.googleapis.com/v1/token" };
  const impersonates = { service_account_impersonation_url: "https://evil.example/x" };
  const url = "https://127.0.0.1:1/token?secret=practice-query";
  const elsewhere = configuration(daemon, google, { url }, { ...away, ...impersonates });
  const other = await daemon.cli(add(elsewhere, "--replace"));
  t.regex(other.stderr, /reads +what https:\/\/127\.0\.0\.1:1\/token answers/);
  t.regex(other.stderr, /sent to +https:\/\/sts\.googleapis\.com, https:\/\/evil\.example\n/);
  t.regex(other.stderr, /warning: https:\/\/evil\.example is not one/);
  t.notRegex(other.stderr, /warning: https:\/\/sts|practice-query/);
});

onLinux("on a terminal a person is asked before anything is read or sent", async (t) => {
  const google = await startGoogle(t);
  const daemon = await startDaemon(t);
  const file = configuration(daemon, google, { file: join(daemon.folder, "token") });
  const terminal = onTerminal(t, daemon, add(file));
  await terminal.type("Go on?", "n");
  const { code, stdout } = await terminal.ended;
  t.not(code, 0);
  t.regex(stdout, /stopped; nothing was changed/);
  t.is(google.requests.length, 0);
  t.false((await daemon.cli(["list", "--json"])).stdout.includes("gcs"));
});

test("what can't be mapped is refused by its name, and nothing is added", async (t) => {
  const google = await startGoogle(t);
  const daemon = await startDaemon(t);
  const file = { file: "/var/run/token" };
  const impersonates = { service_account_impersonation_url: "https://iam.example/x" };
  const aws = { environment_id: "aws1" };
  for (const [source, more, wanted] of [
    [{ certificate: {} }, {}, /has credential_source\.certificate, which authd can't map/],
    [file, { type: "external_account_authorized_user" }, /no external-account.*: type is missing/],
    [file, { surprise: "tell-nobody" }, /has surprise, which authd can't map/],
    [file, { token_url: "ftp://elsewhere" }, /token_url is missing, or not as AIP-4117/],
    [file, { ...impersonates, client_id: "me" }, /client_id beside service_account_impersonation/],
    [file, { token_url: "http://sts.example/" }, /token_url is missing, or not as AIP-4117/],
    [
      file,
      { service_account_impersonation_url: "http://iam.example/" },
      /service_account_impersonation_url is missing, or not as/,
    ],
    [{}, {}, /has no file, url, executable or environment_id/],
    [{ executable: { command: "print-token" } }, {}, /without an absolute path/],
    [{ executable: { command: "/a", timeout_millis: 60_000 } }, {}, /timeout_millis over 30000/],
    [{ environment_id: "aws2" }, {}, /another version of AWS/],
    [{ ...aws, region_url: "https://elsewhere.example/" }, {}, /credential_source\.region_url/],
    [{ url: "http://metadata.example/token" }, {}, /subject\.url must be https/],
  ] as const) {
    const added = await daemon.cli(add(configuration(daemon, google, source, more)));
    t.is(added.code, 2, added.stderr);
    t.regex(added.stderr, wanted);
    t.false(added.stderr.includes("tell-nobody"));
  }
  for (const args of [
    ["--grant", "static"],
    ["--google-service-account", "key.json"],
  ]) {
    t.is((await daemon.cli(add("external.json", ...args))).code, 2);
  }
  t.like(await daemon.cli(["add", "--google-external-account", "external.json"]), { code: 2 });
  t.like(await daemon.cli(add(join(daemon.folder, "none.json"))), { code: 2 });
  t.false((await daemon.cli(["list", "--json"])).stdout.includes("gcs"));
  t.is(google.requests.length, 0);
});
