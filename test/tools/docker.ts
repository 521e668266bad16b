/** The real docker and skopeo, at a registry that wants a token: the registry API, version 2, on loopback. */

import { join } from "node:path";
import test from "ava";
import { startApi } from "../helpers/api.ts";
import { run } from "../helpers/child.ts";
import { startHelperDaemon } from "../helpers/helper-daemon.ts";
import { absent, missing } from "../helpers/optional.ts";
import type { Scope } from "../helpers/scope.ts";

const TYPE = "application/vnd.oci.image.manifest.v1+json";
const layer = {
  ...{ mediaType: "application/vnd.oci.image.config.v1+json", size: 2 },
  digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
};
const MANIFEST = JSON.stringify({ schemaVersion: 2, mediaType: TYPE, config: layer, layers: [] });

/** Serves one image to who sends this Authorization; others are told `challenge`. */
async function startRegistry(
  t: Scope,
  authorization: string,
  challenge: (origin: string) => string,
) {
  const registry = await startApi(t, ({ method, url, headers, body }, response) => {
    if (url === "/token") {
      const form = new URLSearchParams(body.toString());
      const isRight = form.get("refresh_token") === "practice-token-of-mine" && method === "POST";
      response.writeHead(isRight ? 200 : 401, { "content-type": "application/json" });
      return response.end('{"access_token":"practice-access","expires_in":300}');
    }
    if (headers.authorization !== authorization) {
      response.writeHead(401, { "www-authenticate": challenge(registry.origin) });
      return response.end();
    }
    response.setHeader("docker-distribution-api-version", "registry/2.0");
    if (url.includes("/blobs/")) return response.end("{}");
    if (url.includes("/manifests/")) response.setHeader("content-type", TYPE);
    return response.end(url.includes("/manifests/") ? MANIFEST : "{}");
  });
  return { registry, host: registry.origin.replace("http://", "") };
}

const basic = Buffer.from("me:practice-token-of-mine").toString("base64");
const TOOLS = {
  docker: (image: string) => ["manifest", "inspect", "--insecure", image],
  skopeo: (image: string) => ["inspect", "--raw", "--tls-verify=false", `docker://${image}`],
} as const;

for (const [tool, inspect] of Object.entries(TOOLS)) {
  for (const [what, user, authorization, challenge] of [
    ["a password", "me", `Basic ${basic}`, () => 'Basic realm="practice"'],
    [
      ...["an identity token", "<token>", "Bearer practice-access"],
      (origin: string) => `Bearer realm="${origin}/token",service="practice"`,
    ],
  ] as const) {
    test(`${tool} gets an image with authd's token as ${what}`, async (t) => {
      if (absent(tool).length > 0) return missing(t, `${tool} is not installed`);
      const daemon = await startHelperDaemon(t, { mine: "https://registry.example" });
      const { host } = await startRegistry(t, authorization, challenge);
      const PATH = `${join(daemon.folder, ".local", "bin")}:${process.env.PATH}`;
      const env = { ...daemon.env, PATH, XDG_RUNTIME_DIR: daemon.folder };
      const ask = () => run(t, tool, inspect(`${host}/acme/x:1`), { env });
      t.not((await ask()).code, 0);
      const words = ["helper", "install", "docker", "--for", `${user}@${host}=mine`];
      const installed = await daemon.cli(words, { env: { PATH } });
      t.is(installed.code, 0, installed.stderr);
      t.is(installed.stderr, "");
      const { code, stdout, stderr } = await ask();
      t.is(code, 0, stderr);
      t.is(JSON.parse(stdout).config.digest, layer.digest);
      await daemon.cli(["remove", "mine", "--yes"]);
      const without = await ask();
      t.not(without.code, 0);
      t.regex(without.stderr, /authd: .*mine/);
      await daemon.cli(["helper", "uninstall", "docker"]);
    });
  }
}
