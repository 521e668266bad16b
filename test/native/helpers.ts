/** `authd helper`, native and Node's, with the same input, answers and exit codes. */

import { chmodSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { start } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { startHelperDaemon } from "../helpers/helper-daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { copyNative, NODE_COMMAND } from "../helpers/native.ts";
import { onUnix } from "../helpers/optional.ts";

const MAPPING = `# Hosts of two tools.
[git]
"git.example" = "one"
"git.example/acme" = "two"
"bot@git.example/acme" = "one"
"me@git.example/acme" = "two"
"http://plain.example" = "one"
"gone.example" = "gone"

[docker]
"ghcr.io" = "one"
"docker.io" = "two"
"<token>@registry.example:5000" = "two"
`;

/** Runs the same helper with Node and natively; both say the same. */
async function same(
  t: ExecutionContext,
  native: string,
  words: readonly string[],
  { env, input }: { env: NodeJS.ProcessEnv; input: string | Buffer },
): Promise<string> {
  const said = async (command: readonly string[]) => {
    const [program = "", ...args] = [...command, "helper", ...words];
    const { child, ended } = start(t, program, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    child.stdin!.on("error", () => {}).end(input);
    const { code, stdout, stderr } = await ended;
    return { code, stdout, stderr };
  };
  const byNode = await said([process.execPath, MAIN]);
  t.deepEqual(await said([native]), byNode, `${words.join(" ")}: ${input}`);
  return byNode.stdout;
}

onUnix("git and docker get the same from both", async (t) => {
  const daemon = await startHelperDaemon(
    t,
    { one: "https://one.example", two: "https://two.example", three: "https://two.example" },
    MAPPING,
  );
  const native = copyNative(t, NODE_COMMAND);
  const { env } = daemon;
  const git = (...lines: string[]) =>
    same(t, native, ["git", "get"], { env, input: `${lines.join("\n")}\n\n` });
  const https = (host: string) => ["protocol=https", `host=${host}`];
  t.regex(await git(...https("git.example")), /password=practice-token-of-one\n/);
  t.regex(await git(...https("Git.example:443"), "path=acme/x.git"), /of-(one|two)\n/);
  t.regex(await git(...https("git.example"), "path=acme/x.git", "username=me"), /of-two\n/);
  t.regex(await git(...https("git.example"), "path=acmes/x"), /of-one\n/);
  t.regex(await git(...https("one.example")), /of-one\n/);
  t.is(await git(...https("elsewhere.example")), "");
  const bearer = ["capability[]=authtype", 'wwwauth[]=Bearer realm="x"'];
  t.regex(await git(...bearer, ...https("git.example")), /authtype=Bearer\n.*\nephemeral=1\n$/);
  t.regex(
    await git("capability[]=authtype", ...https("git.example")),
    /authtype=Basic\ncredential=b2F1dGgyO[\w+/=]+\nephemeral=1\n$/,
  );
  // What the Node command does: several credentials, no TLS, one that is gone, other spellings.
  t.is(await git(...https("two.example")), "quit=1\n");
  t.is(await git("protocol=http", "host=plain.example"), "quit=1\n");
  t.is(await git(...https("gone.example")), "quit=1\n");
  t.is(
    await git(...https("git.example"), "path=a%20b"),
    "username=oauth2\npassword=practice-token-of-one\n",
  );
  t.is(await git("protocol=imap", "host=git.example"), "");
  const notText = Buffer.from("protocol=https\nhost=git.example\npath=b\xf6se\n", "latin1");
  t.regex(await same(t, native, ["git", "get"], { env, input: notText }), /of-one\n/);
  for (const host of ["git.example/x.elsewhere.example", "me@git.example"])
    t.is(await git(...https(host)), "quit=1\n");
  for (const action of ["store", "erase", "capability", "else"])
    await same(t, native, ["git", action], { env, input: `${https("git.example").join("\n")}\n` });
  for (const asked of [
    "ghcr.io",
    "https://index.docker.io/v1/",
    "registry.example:5000",
    "x.example",
    "",
  ])
    await same(t, native, ["docker", "get"], { env, input: asked });
  for (const action of ["list", "erase", "store"])
    await same(t, native, ["docker", action], { env, input: "ghcr.io" });
  // A file that others can change is refused, by both.
  chmodSync(join(daemon.stateDir, "helpers.toml"), 0o666);
  t.is(await git(...https("git.example")), "quit=1\n");
  await daemon.stop();
  t.is(await git(...https("git.example")), "quit=1\n");
  await same(t, native, ["kubectl", "one"], { env, input: "" });
});

onUnix("kubectl and AWS get the same from both; a refused token is renewed", async (t) => {
  let count = 0;
  const pem = "-----BEGIN CERTIFICATE-----\ncHJhY3RpY2U=\n-----END CERTIFICATE-----";
  const issuer = await startIssuer(t, () => {
    count += 1;
    const kept = { id: "practice-id", secret: "practice-secret", pem, key: "practice-key" };
    const json = {
      access_token: `practice-token-${count}`,
      token_type: "Bearer",
      expires_in: 3600,
    };
    return { json: { ...json, ...kept } };
  });
  const config = `grant = "client_credentials"
token_url = "${issuer.url}"
client_id = "me"
origins = ["https://git.example"]
[response.keep]
access_key_id = "/id"
secret_access_key = "/secret"
client_certificate = "/pem"
client_key = "/key"
`;
  const daemon = await startDaemon(t, { config: { "credentials/mine.toml": config } });
  await daemon.cli(["set", "mine", "--secret", "client_secret=-"], { input: "practice" });
  const native = copyNative(t, NODE_COMMAND);
  const ask = (words: readonly string[], input = "", more: NodeJS.ProcessEnv = {}) =>
    same(t, native, words, { env: { ...daemon.env, ...more }, input });
  t.regex(await ask(["aws", "mine"]), /"SessionToken":"practice-token-1"/);
  t.regex(await ask(["kubectl", "mine"]), /"clientKeyData":"practice-key"/);
  for (const version of ["v1", "v1beta1", "v1alpha1"]) {
    const apiVersion = `client.authentication.k8s.io/${version}`;
    const info = JSON.stringify({ apiVersion, spec: { interactive: true } });
    await ask(["kubectl", "mine"], "", { KUBERNETES_EXEC_INFO: info });
  }
  for (const words of [["aws"], ["aws", "nothing"], ["kubectl"], ["aws", "mine", "x"]])
    await ask(words);
  const asked = "protocol=https\nhost=git.example\n";
  t.regex(await ask(["git", "get"], asked), /password_expiry_utc=\d{10}\n$/);
  const login = Buffer.from("me:practice-token-1").toString("base64");
  const erase = start(t, native, ["helper", "git", "erase"], {
    ...{ env: daemon.env, stdio: ["pipe", "pipe", "pipe"] },
  });
  erase.child.stdin!.end(`${asked}authtype=Basic\ncredential=${login}\n`);
  t.is((await erase.ended).code, 0);
  t.is(count, 2);
  await ask(["git", "erase"], `${asked}password=practice-token-1\n`);
  t.is(count, 2, "it is not the current one");
  t.regex(await ask(["git", "get"], asked), /practice-token-2/);
});
