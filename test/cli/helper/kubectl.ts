import test from "ava";
import { startDaemon } from "../../helpers/daemon.ts";
import { startIssuer } from "../../helpers/issuer.ts";

const PEM = "-----BEGIN CERTIFICATE-----\ncHJhY3RpY2U=\n-----END CERTIFICATE-----";

test("kubectl gets an ExecCredential of the version that it asks for", async (t) => {
  const json = { access_token: "practice-token", token_type: "Bearer", expires_in: 3600 };
  const issuer = await startIssuer(t, () => ({
    json: { ...json, certificate: PEM, key: "practice key", serial: "07" },
  }));
  const common = `grant = "client_credentials"\ntoken_url = "${issuer.url}"\nclient_id = "me"\n`;
  const kept = '[response.keep]\nclient_certificate = "/certificate"\nclient_key = "/key"\n';
  const serial = '[response]\ntoken = "/serial"\ntoken_type = "N_A"\n';
  const daemon = await startDaemon(t, {
    config: {
      "credentials/plain.toml": common,
      "credentials/both.toml": common + kept,
      "credentials/alone.toml": common + serial + kept,
    },
  });
  for (const name of ["plain", "both", "alone"]) {
    const args = ["set", name, "--secret", "client_secret=-"];
    const { code, stderr } = await daemon.cli(args, { input: "practice" });
    t.is(code, 0, stderr);
  }
  const kubectl = (name: string, info?: object) => {
    const env = info ? { KUBERNETES_EXEC_INFO: JSON.stringify(info) } : {};
    return daemon.cli(["helper", "kubectl", name], { env });
  };
  const group = "client.authentication.k8s.io";
  for (const version of ["v1", "v1beta1"]) {
    const apiVersion = `${group}/${version}`;
    const info = { apiVersion, kind: "ExecCredential", spec: { interactive: version === "v1" } };
    const answer = JSON.parse((await kubectl("plain", info)).stdout);
    t.is(answer.apiVersion, apiVersion);
    t.is(answer.kind, "ExecCredential");
    t.is(answer.status.token, "practice-token");
    t.regex(answer.status.expirationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    t.deepEqual(Object.keys(answer.status).sort(), ["expirationTimestamp", "token"]);
  }
  const both = JSON.parse((await kubectl("both")).stdout);
  t.is(both.apiVersion, `${group}/v1`);
  t.is(both.status.clientCertificateData, PEM);
  t.is(both.status.clientKeyData, "practice key");
  t.is(both.status.token, "practice-token");
  const alone = JSON.parse((await kubectl("alone")).stdout);
  t.is(alone.status.clientCertificateData, PEM);
  t.false("token" in alone.status);
  const old = await kubectl("plain", { apiVersion: `${group}/v1alpha1` });
  t.is(old.code, 2);
  t.is(old.stdout, "");
  t.regex(old.stderr, /another version than .*v1 or/);
  t.is((await daemon.cli(["helper", "kubectl"])).code, 2);
});
