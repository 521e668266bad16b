import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "ava";
import { start } from "../../helpers/child.ts";
import { type Daemon, MAIN, startDaemon } from "../../helpers/daemon.ts";
import { startIssuer } from "../../helpers/issuer.ts";
import type { Scope } from "../../helpers/scope.ts";

const EXPIRATION = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** A daemon whose credential `role` gets temporary keys as AWS' STS answers them in JSON. */
async function withRole(t: Scope): Promise<Daemon> {
  const keys = { AccessKeyId: "practice-id", SecretAccessKey: "practice-secret" };
  const issuer = await startIssuer(t, () => ({
    json: {
      AssumeRoleResponse: {
        Credentials: {
          ...{ ...keys, SessionToken: "practice-session" },
          Expiration: Math.floor(Date.now() / 1_000) + 3_600,
        },
      },
    },
  }));
  const at = (name: string) => `"/AssumeRoleResponse/Credentials/${name}"`;
  const role = `grant = "exchange"
secrets = ["web_identity_token"]
[request]
url = "${issuer.url}"
headers = { accept = "application/json" }
form = { Action = "AssumeRoleWithWebIdentity", WebIdentityToken = "{secret.web_identity_token}" }
[response]
token = ${at("SessionToken")}
expires_at = ${at("Expiration")}
[response.keep]
access_key_id = ${at("AccessKeyId")}
secret_access_key = ${at("SecretAccessKey")}
`;
  const daemon = await startDaemon(t, { config: { "credentials/role.toml": role } });
  const args = ["set", "role", "--secret", "web_identity_token=-"];
  const { code, stderr } = await daemon.cli(args, { input: "practice" });
  if (code !== 0) throw new Error(stderr);
  return daemon;
}

test("credential_process gets a session's keys and their end", async (t) => {
  const daemon = await withRole(t);
  const { code, stdout } = await daemon.cli(["helper", "aws", "role"]);
  t.is(code, 0);
  const { Expiration, ...keys } = JSON.parse(stdout);
  t.deepEqual(keys, {
    Version: 1,
    AccessKeyId: "practice-id",
    SecretAccessKey: "practice-secret",
    SessionToken: "practice-session",
  });
  t.regex(Expiration, EXPIRATION);
  const fixed = ["add", "fixed", "--grant", "static", "--secrets-from", "-"];
  await daemon.cli(fixed, { input: '{"token":"practice"}' });
  const without = await daemon.cli(["helper", "aws", "fixed"]);
  t.is(without.code, 2);
  t.regex(without.stderr, /fixed keeps no access_key_id/);
  for (const args of [[], ["role", "more"], ["role", "--serve", "--port", "x"]])
    t.is((await daemon.cli(["helper", "aws", ...args])).code, 2);
});

test("the container endpoint serves who has its token, until it is ended", async (t) => {
  const daemon = await withRole(t);
  const endpoint = start(t, process.execPath, [MAIN, "helper", "aws", "role", "--serve"], {
    env: { ...daemon.env, XDG_RUNTIME_DIR: daemon.folder },
  });
  const said = await endpoint.says("TOKEN_FILE=/");
  const [, uri = "", file = ""] = /FULL_URI=(\S+)\nexport .*TOKEN_FILE=(\S+)\n/.exec(said) ?? [];
  t.regex(uri, /^http:\/\/127\.0\.0\.1:\d+\//);
  t.is(statSync(file).mode & 0o777, 0o600);
  t.is(statSync(dirname(file)).mode & 0o777, 0o700);
  const authorization = readFileSync(file, "utf8");
  const answer = await fetch(uri, { headers: { authorization } });
  const { Expiration, ...keys } = (await answer.json()) as Record<string, string>;
  t.deepEqual(keys, {
    ...{ AccessKeyId: "practice-id", SecretAccessKey: "practice-secret" },
    Token: "practice-session",
  });
  t.regex(Expiration ?? "", EXPIRATION);
  for (const [url, headers, status] of [
    [uri, {}, 401],
    [uri, { authorization: `${authorization}x` }, 401],
    [`${uri}/x`, { authorization }, 404],
  ] as const) {
    const response = await fetch(url, { headers });
    t.is(response.status, status);
    t.notRegex(await response.text(), /practice/);
  }
  await daemon.cli(["remove", "role", "--yes"]);
  const gone = await fetch(uri, { headers: { authorization } });
  t.is(gone.status, 500);
  t.regex(await gone.text(), /role/);
  const taken = await daemon.cli(["helper", "aws", "role", "--serve", "--port", new URL(uri).port]);
  t.is(taken.code, 1);
  t.regex(taken.stderr, /choose another by --port/);
  // A terminal that is closed.
  endpoint.child.kill("SIGHUP");
  t.is((await endpoint.ended).code, 0);
  t.false(existsSync(dirname(file)));
});

test("install writes the profile, and refuses to hide one's own process", async (t) => {
  const daemon = await withRole(t);
  const file = join(daemon.folder, ".aws", "config");
  const args = ["--for", "default=role", "dev=role"];
  t.is((await daemon.cli(["helper", "install", "aws", ...args])).code, 0);
  const text = readFileSync(file, "utf8");
  t.regex(
    text,
    /^\[default\]\ncredential_process = \/.* helper aws role\n\n\[profile dev\]\ncredential_process = /,
  );
  t.is((await daemon.cli(["helper", "uninstall", "aws"])).code, 0);
  t.false(existsSync(file));
  t.regex((await daemon.cli(["helper", "install", "aws"])).stderr, /Which profile\?/);
  const unnamed = await daemon.cli(["helper", "install", "aws", "--for", "dev"]);
  t.regex(unnamed.stderr, /--for dev=NAME/);
});
