/** The real AWS command line, at an STS on loopback that looks at what signs the requests. */

import { readFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { startApi } from "../helpers/api.ts";
import { run, start } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";

const KEYS = { AccessKeyId: "practice-id", SecretAccessKey: "practice-secret" };
const CALLER = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::1:role/practice</Arn><UserId>u</UserId><Account>1</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>`;

/** The example of docs/helpers.md. */
const EXAMPLE = /```toml\n(grant = "exchange"\n[^`]*AssumeRoleWithWebIdentity[^`]*)```/;

/** AWS' STS, and authd with the credential of the documents that asks it for a role's keys. */
async function startAws(t: ExecutionContext) {
  const sts = await startApi(t, ({ headers, body }, response) => {
    const form = new URLSearchParams(body.toString());
    if (form.get("Action") === "AssumeRoleWithWebIdentity") {
      const isRight =
        form.get("WebIdentityToken") === "practice-identity" &&
        headers.accept === "application/json";
      response.writeHead(isRight ? 200 : 403, { "content-type": "application/json" });
      const Expiration = Date.now() / 1_000 + 3_600;
      const Credentials = { ...KEYS, SessionToken: "practice-session", Expiration };
      const result = { AssumeRoleWithWebIdentityResult: { Credentials } };
      return response.end(JSON.stringify({ AssumeRoleWithWebIdentityResponse: result }));
    }
    const isSigned =
      /^AWS4-HMAC-SHA256 Credential=practice-id\//.test(headers.authorization ?? "") &&
      headers["x-amz-security-token"] === "practice-session";
    response.writeHead(isSigned ? 200 : 403, { "content-type": "text/xml" });
    return response.end(isSigned ? CALLER : "<ErrorResponse/>");
  });
  const docs = readFileSync(new URL("../../../docs/helpers.md", import.meta.url), "utf8");
  const [, example = ""] = EXAMPLE.exec(docs) ?? [];
  const daemon = await startDaemon(t, {
    config: {
      "credentials/identity.toml": 'grant = "static"\n',
      "credentials/role.toml": example.replace(/https:\/\/sts[^"]*/, `${sts.origin}/`),
    },
  });
  const set = ["set", "identity", "--secret", "token=-"];
  const { code, stderr } = await daemon.cli(set, { input: "practice-identity" });
  t.is(code, 0, stderr);
  await daemon.cli(["trust", "role", "--yes"]);
  const aws = (env: Record<string, string>) =>
    run(
      t,
      "aws",
      ["sts", "get-caller-identity", "--output", "json", "--endpoint-url", sts.origin],
      {
        env: {
          ...daemon.env,
          AWS_DEFAULT_REGION: "eu-west-1",
          AWS_EC2_METADATA_DISABLED: "true",
          ...env,
        },
      },
    );
  return { daemon, aws };
}

test("aws signs with the keys of a profile's credential_process", async (t) => {
  if (absent("aws").length > 0) return missing(t, "aws is not installed");
  const { daemon, aws } = await startAws(t);
  const installed = await daemon.cli(["helper", "install", "aws", "--for", "practice=role"]);
  t.is(installed.code, 0, installed.stderr);
  const { code, stdout, stderr } = await aws({ AWS_PROFILE: "practice" });
  t.is(code, 0, stderr);
  t.is(JSON.parse(stdout).Arn, "arn:aws:iam::1:role/practice");
  await daemon.cli(["remove", "role", "--yes"]);
  const without = await aws({ AWS_PROFILE: "practice" });
  t.not(without.code, 0);
  t.regex(without.stderr, /authd: .*role/);
});

test("aws signs with the keys of the container endpoint", async (t) => {
  if (absent("aws").length > 0) return missing(t, "aws is not installed");
  const { daemon, aws } = await startAws(t);
  const endpoint = start(t, process.execPath, [MAIN, "helper", "aws", "role", "--serve"], {
    env: { ...daemon.env, XDG_RUNTIME_DIR: daemon.folder },
  });
  const said = await endpoint.says("TOKEN_FILE=/");
  const lines = said.matchAll(/^export (\w+)=(.*)$/gm);
  const variables = Object.fromEntries(Array.from(lines, ([, name, value]) => [name!, value!]));
  const { code, stdout, stderr } = await aws(variables);
  t.is(code, 0, stderr);
  t.is(JSON.parse(stdout).Arn, "arn:aws:iam::1:role/practice");
});
