/** pip, uv, twine and Google's library, from PyPI, at a package index and a token service on loopback. */
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Api, startApi } from "../helpers/api.ts";
import { type Ended, run } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, missing } from "../helpers/optional.ts";
import { FileScope } from "../helpers/scope.ts";
import { startToolDaemon, type ToolDaemon } from "../helpers/tool-daemon.ts";
import { pythonPackages } from "../helpers/tool-packages.ts";

const PACKAGES = ["pip==26.3", "uv==0.13.9", "twine==7.0.0", "google-auth==2.63.0", "requests"];
const WHEEL = "tiny_package-1.0.0-py3-none-any.whl";
/** Writes a wheel with one empty module. */
const MAKE_WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    wheel.writestr("tiny_package.py", "")
    info = "tiny_package-1.0.0.dist-info/"
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny-package\\nVersion: 1.0.0\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "")
`;
/** Refreshes the credentials of a file, and prints the token. */
const GOOGLE = `
import sys
from google.auth import pluggable
from google.auth.transport.requests import Request
credentials = pluggable.Credentials.from_file(sys.argv[1], scopes=["demo"])
credentials.refresh(Request())
print(credentials.token)
`;

const scope = new FileScope();
const hasPython = absent("python3").length === 0;
let daemon: ToolDaemon;
let bin: string;
let index: Api;

test.before(async () => {
  if (!hasPython) return;
  bin = pythonPackages(...PACKAGES);
  daemon = await startToolDaemon(scope);
  const wheel = join(daemon.folder, WHEEL);
  await run(scope, join(bin, "python"), ["-c", MAKE_WHEEL, wheel]);
  index = await startIndex(readFileSync(wheel), "practice-1");
  await daemon.addExpiring("index", `origins=${index.origin}`);
});
test.after.always(() => scope.end());

/** Starts an index that takes the user `__token__` with this password only. */
async function startIndex(wheel: Buffer, password: string): Promise<Api> {
  const basic = `Basic ${Buffer.from(`__token__:${password}`).toString("base64")}`;
  return await startApi(scope, ({ method, url, headers }, response) => {
    if (headers.authorization !== basic) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="index"' });
      return response.end();
    }
    if (method === "POST") return response.end("");
    if (url.endsWith(".whl")) return response.end(wheel);
    response.setHeader("content-type", "text/html");
    return response.end(`<a href="/files/${WHEEL}">${WHEEL}</a>`);
  });
}

/** Runs a program of these packages, with authd's `keyring` in its PATH. */
function call(program: string, ...args: readonly string[]): Promise<Ended> {
  const PATH = [join(daemon.folder, ".local", "bin"), process.env.PATH].join(delimiter);
  return run(scope, join(bin, program), args, { env: { ...daemon.env, PATH }, cwd: daemon.folder });
}

const withUser = (url: string) => url.replace("//", "//__token__@");
const withPython = (title: string, body: (t: ExecutionContext) => Promise<void>) =>
  test.serial(title, async (t) => {
    if (hasPython) await body(t);
    else missing(t, "there is no python3");
  });

withPython("pip and uv install from an index that wants a token", async (t) => {
  const simple = `${index.origin}/simple`;
  const target = (name: string) => ["--no-cache-dir", "--target", join(daemon.folder, name)];
  const before = await call("pip", "install", "--no-input", "--index-url", simple, "tiny-package");
  t.not(before.code, 0);
  const installed = await daemon.cli(["helper", "install", "pip"]);
  t.is(installed.code, 0, installed.stderr);
  const options = ["--no-input", ...target("by-pip")];
  const byPip = await call("pip", "install", ...options, "--index-url", simple, "tiny-package");
  t.is(byPip.code, 0, byPip.stderr);
  const into = ["--python", join(bin, "python"), ...target("by-uv")];
  const byUv = await call(
    "uv",
    ...["pip", "install", ...into, "--index-url", withUser(simple), "tiny-package"],
  );
  t.is(byUv.code, 0, byUv.stderr);
});

withPython("uv and twine publish with a token", async (t) => {
  const url = `${index.origin}/legacy/`;
  const wheel = join(daemon.folder, WHEEL);
  await daemon.cli(["helper", "install", "pip"]);
  const byUv = await call("uv", "publish", "--username", "__token__", "--publish-url", url, wheel);
  t.is(byUv.code, 0, byUv.stderr);
  const upload = ["upload", "--non-interactive", "--repository-url", url, wheel];
  t.not((await call("twine", ...upload)).code, 0);
  const installed = await daemon.cli(["helper", "install", "twine"]);
  t.is(installed.code, 0, installed.stderr);
  const byTwine = await call("twine", ...upload);
  t.is(byTwine.code, 0, byTwine.stdout + byTwine.stderr);
  const bodies = index.seen.filter(
    ({ method, headers }) => method === "POST" && headers.authorization,
  );
  t.is(bodies.length, 2);
});

withPython("Google's library exchanges a token of authd", async (t) => {
  const file = join(temporaryFolder(t), "google.json");
  const service = await startApi(t, ({ body }, response) => {
    const form = new URLSearchParams(body.toString());
    response.setHeader("content-type", "application/json");
    const access_token = `for ${form.get("subject_token")}`;
    response.end(JSON.stringify({ access_token, expires_in: 3600, token_type: "Bearer" }));
  });
  await daemon.addStatic("workload", "a-workload-token");
  const credentials = {
    type: "external_account",
    audience:
      "//iam.googleapis.com/projects/7/locations/global/workloadIdentityPools/p/providers/x",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: `${service.origin}/v1/token`,
    credential_source: { executable: { timeout_millis: 30_000 } },
  };
  writeFileSync(file, JSON.stringify(credentials));
  const installed = await daemon.cli(["helper", "install", "gcp", "--for", `${file}=workload`]);
  t.is(installed.code, 0, installed.stderr);
  const env = { ...daemon.env, GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES: "1" };
  const refresh = () => run(t, join(bin, "python"), ["-c", GOOGLE, file], { env });
  const refreshed = await refresh();
  t.is(refreshed.stdout, "for a-workload-token\n", refreshed.stderr);
  await daemon.cli(["remove", "workload", "--yes"]);
  t.regex((await refresh()).stderr, /workload.*authd list/);
});
