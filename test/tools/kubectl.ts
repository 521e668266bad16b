/** The real kubectl, at an API server on loopback that wants a token or a client certificate. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { startApi } from "../helpers/api.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { run } from "../helpers/child.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { absent, missing } from "../helpers/optional.ts";

/** A cluster whose server says who asked; kubectl, and authd's credential `cluster` with these kept values. */
async function startCluster(
  t: ExecutionContext,
  answer: object = {},
  settings = "",
  authority = createAuthority(),
) {
  const options = { requestCert: true, rejectUnauthorized: false, ca: authority.ca };
  const server = await startApi(
    t,
    ({ headers }, response) => {
      const { subject } = (response.socket as TLSSocket).getPeerCertificate();
      const isKnown =
        headers.authorization === "Bearer practice-token-1" || subject?.CN === "person";
      response.writeHead(isKnown ? 200 : 401, { "content-type": "application/json" });
      const who = { token: headers.authorization, certificate: subject?.CN };
      response.end(
        JSON.stringify(isKnown ? who : { kind: "Status", code: 401, reason: "Unauthorized" }),
      );
    },
    { ...authority.issue("127.0.0.1"), ...options },
  );
  const issuer = await startIssuer(t, () => ({
    json: { access_token: "practice-token-1", token_type: "Bearer", expires_in: 3600, ...answer },
  }));
  const common = `grant = "client_credentials"\ntoken_url = "${issuer.url}"\nclient_id = "me"\n`;
  const config = { "credentials/cluster.toml": common + settings };
  const daemon = await startDaemon(t, { config });
  await daemon.cli(["set", "cluster", "--secret", "client_secret=-"], { input: "practice" });
  const kubeconfig = join(daemon.folder, "kubeconfig");
  const ca = Buffer.from(authority.ca).toString("base64");
  writeFileSync(
    kubeconfig,
    `apiVersion: v1
kind: Config
clusters:
- name: practice
  cluster: { server: "${server.origin}", certificate-authority-data: ${ca} }
contexts:
- name: some.context
  context: { cluster: practice, user: person }
- name: bare
  context: { cluster: practice }
current-context: some.context
users:
- name: person
  user: { token: practice-of-before }
`,
  );
  const env = { ...daemon.env, KUBECONFIG: kubeconfig };
  const kubectl = (...args: string[]) => run(t, "kubectl", args, { env });
  const helper = (...args: string[]) => daemon.cli(["helper", ...args], { env });
  return { daemon, kubectl, helper };
}

test("kubectl sends authd's token; uninstall brings the user of before back", async (t) => {
  if (absent("kubectl").length > 0) return missing(t, "kubectl is not installed");
  const { kubectl, helper } = await startCluster(t);
  const before = (await kubectl("config", "view", "--raw", "-o", "json")).stdout;
  t.not((await kubectl("get", "--raw", "/practice")).code, 0);
  const dry = await helper("install", "kubectl", "--for", "some.context=cluster", "--dry-run");
  t.regex(dry.stdout, /\+ user authd-cluster: exec .*helper kubectl cluster\n/);
  t.regex(
    dry.stdout,
    /- context some\.context: user person\n.*\+ context some\.context: user authd-/,
  );
  t.is((await kubectl("config", "view", "--raw", "-o", "json")).stdout, before);
  const words = ["--for", "some.context=cluster", "bare=cluster"];
  const installed = await helper("install", "kubectl", ...words);
  t.is(installed.code, 0, installed.stderr);
  for (const context of ["some.context", "bare"]) {
    const { code, stdout, stderr } = await kubectl(
      "--context",
      context,
      "get",
      "--raw",
      "/practice",
    );
    t.is(code, 0, stderr);
    t.is(JSON.parse(stdout).token, "Bearer practice-token-1");
  }
  t.regex((await helper("list")).stdout, /^kubectl +set up +bare: cluster$/m);
  t.regex((await helper("install", "kubectl", ...words)).stdout, /^Everything is there already/);
  t.is((await helper("uninstall", "kubectl")).code, 0);
  t.is((await kubectl("config", "view", "--raw", "-o", "json")).stdout, before);
  const unknown = await helper("install", "kubectl", "--for", "nothing=cluster");
  t.is(unknown.code, 2);
  t.regex(unknown.stderr, /no context nothing; kubectl config get-contexts/);
});

test("kubectl shows a client certificate that the issuer has given", async (t) => {
  if (absent("kubectl").length > 0) return missing(t, "kubectl is not installed");
  const authority = createAuthority();
  const { key, cert } = authority.issue("person");
  const places = 'client_certificate = "/certificate"\nclient_key = "/key"\n';
  const { kubectl, helper } = await startCluster(
    t,
    { access_token: "practice-token-2", certificate: cert, key },
    `[response.keep]\n${places}`,
    authority,
  );
  await helper("install", "kubectl", "--for", "some.context=cluster");
  const { code, stdout, stderr } = await kubectl("get", "--raw", "/practice");
  t.is(code, 0, stderr);
  t.deepEqual(JSON.parse(stdout), { token: "Bearer practice-token-2", certificate: "person" });
});

test("kubectl tells the person why there is no token", async (t) => {
  if (absent("kubectl").length > 0) return missing(t, "kubectl is not installed");
  const { daemon, kubectl, helper } = await startCluster(t);
  await helper("install", "kubectl", "--for", "some.context=cluster");
  await daemon.cli(["remove", "cluster", "--yes"]);
  const { code, stderr } = await kubectl("get", "--raw", "/practice");
  t.not(code, 0);
  t.regex(stderr, /authd: .*cluster/);
  t.regex((await helper("list")).stdout, /^kubectl +broken +there is no credential cluster$/m);
});
