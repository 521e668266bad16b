/** Workload identity through the daemon: the files of docs/flows.md, at what stands in for the clouds. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import { type Daemon, makeHome, startDaemon } from "../helpers/daemon.ts";
import { readDocument } from "../helpers/markdown.ts";
import { onUnix } from "../helpers/optional.ts";
import { type Platforms, POD_FILES, startPlatforms } from "../helpers/platforms.ts";
import { until } from "../helpers/until.ts";

/** Each file of the document, in its order: a name, and the token that it comes to. */
const TOKENS = {
  "google-from-kubernetes": "got practice-pod-for-google",
  "google-from-aws": "got signed in sts.eu-central-1.amazonaws.com",
  "google-from-eks": "got signed in sts.eu-central-1.amazonaws.com",
  "google-from-azure": "got azure for api://google",
  "google-machine": "google itself",
  "from-google": "got google for https://login.example.com",
  "entra-from-kubernetes": "got practice-pod-for-entra",
  "azure-machine": "azure for https://management.azure.com/",
  "from-aws": "got practice-web-identity",
  "fewer-rights": "got practice-broad-token",
};
type Name = keyof typeof TOKENS;
const NAMES = Object.keys(TOKENS) as Name[];

const blocks = readDocument("docs/flows.md")
  .section("A workload with an identity of its own")
  .blocks("toml");

interface Workloads {
  daemon: Daemon;
  platforms: Platforms;
  /** Where a file of the pod is. */
  path: (file: string) => string;
}

/** Starts a daemon whose credentials are those of the document, and trusted. */
async function startWorkloads(t: ExecutionContext, names: readonly Name[]): Promise<Workloads> {
  const platforms = await startPlatforms(t);
  const home = makeHome(t);
  const path = (file: string) => join(home.folder, "pod", file);
  for (const [file, text] of Object.entries(POD_FILES)) write(path(file), text);
  const aws = join(home.folder, "aws");
  write(
    aws,
    '#!/bin/sh\ntest "$1 $2" = "sts get-web-identity-token" && echo practice-web-identity\n',
  );
  write(join(home.configDir, "config.toml"), "subject_exec = true\n");
  for (const [index, name] of NAMES.entries()) {
    if (!names.includes(name)) continue;
    const here = platforms
      .here(blocks[index]!)
      .replaceAll("/var/run/secrets", path("/var/run/secrets"))
      .replaceAll("/usr/local/bin/aws", aws)
      // The document leaves the default, which is no server of a test's.
      .replace(
        'keys = "instance"',
        (line) => `${line}\nurl = "${platforms.here("http://169.254.169.254/")}"`,
      );
    write(join(home.configDir, "credentials", `${name}.toml`), here);
  }
  const daemon = await startDaemon(t, { home });
  for (const name of names) {
    const trusted = await daemon.cli(["trust", name, "--yes"]);
    t.is(trusted.code, 0, trusted.stderr);
  }
  return { daemon, platforms, path };
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, text, { mode: 0o700 });
}

onUnix("every file of docs/flows.md brings its token", async (t) => {
  t.is(blocks.length, NAMES.length);
  const { daemon } = await startWorkloads(t, NAMES);
  const broad = ["add", "everything", "--grant", "static", "--secrets-from", "-"];
  const added = await daemon.cli(broad, { input: '{"token": "practice-broad-token"}' });
  t.is(added.code, 0, added.stderr);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  for (const [name, token] of Object.entries(TOKENS)) {
    const { accessToken, expiresAt } = await client.getToken({ credential: name });
    t.is(accessToken, token, name);
    t.true(expiresAt !== null && expiresAt > Date.now(), name);
  }
});

onUnix("ten that wait at once share one reading and one token request", async (t) => {
  const { daemon, platforms } = await startWorkloads(t, ["google-from-azure"]);
  const clients = Array.from({ length: 10 }, () => connect({ socket: daemon.socket }));
  t.teardown(() => Promise.all(clients.map((client) => client.close())));
  const credential = "google-from-azure";
  const tokens = await Promise.all(clients.map((client) => client.getToken({ credential })));
  t.deepEqual(
    [...new Set(tokens.map(({ accessToken }) => accessToken))],
    [TOKENS["google-from-azure"]],
  );
  t.is(platforms.requests.length, 2);
});

onUnix("a token that the platform has replaced is read anew, also after a restart", async (t) => {
  const { daemon, path } = await startWorkloads(t, ["google-from-kubernetes"]);
  const get = async (from: Daemon) =>
    (await from.cli(["get", "google-from-kubernetes", "--refresh"])).stdout;
  t.is(await get(daemon), "got practice-pod-for-google\n");
  write(path("/var/run/secrets/tokens/gcp"), "the-next");
  // For a second after a renewal another one is not sent.
  await until(async () => (await get(daemon)) === "got the-next\n");
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  write(path("/var/run/secrets/tokens/gcp"), "the-one-after");
  const again = await startDaemon(t, { home: daemon });
  await until(async () => (await get(again)) === "got the-one-after\n");
});

for (const host of ["169.254.169.254", "sts.googleapis.com"]) {
  onUnix(`killed while ${host} is asked, the daemon obtains the token anew`, async (t) => {
    const name = "google-from-aws";
    const { daemon, platforms } = await startWorkloads(t, [name]);
    platforms.answer(host, "never");
    const waiting = daemon.cli(["get", name]);
    await until(() => platforms.requests.some(({ path }) => path.startsWith(`/${host}/`)));
    process.kill(daemon.pid, "SIGKILL");
    t.is((await waiting).code, 7);
    platforms.answer(host, undefined);
    const again = await startDaemon(t, { home: daemon });
    t.is((await again.cli(["get", name])).stdout, `${TOKENS[name]}\n`);
  });
}

/** What a platform or an issuer answers, the exit code of `authd get`, and what it says. */
const DENIALS = [
  [
    ...["azure-machine", "169.254.169.254"],
    { status: 400, json: { error: "invalid_request", error_description: "Identity not found" } },
    ...[5, /invalid_request.*Identity not found/],
  ],
  ["google-machine", "169.254.169.254", { status: 404 }, 7, /HTTP 404/],
  ["from-google", "169.254.169.254", { status: 404 }, 7, /subject\.url answered HTTP 404/],
  ["google-from-aws", "169.254.169.254", { status: 403 }, 7, /answered HTTP 403 to PUT/],
  ["google-from-eks", "169.254.170.23", { status: 401 }, 7, /subject\.aws\.url answered HTTP 401/],
  [
    ...["google-from-aws", "sts.googleapis.com"],
    { status: 400, json: { error: "invalid_grant", error_description: "not in the pool" } },
    ...[5, /invalid_grant.*not in the pool/],
  ],
] as const;

for (const [name, host, response, code, wanted] of DENIALS) {
  onUnix(`${name}: ${host} denies with HTTP ${response.status}`, async (t) => {
    const { daemon, platforms } = await startWorkloads(t, [name]);
    platforms.answer(host, response);
    const denied = await daemon.cli(["get", name]);
    t.is(denied.code, code, denied.stderr);
    t.regex(denied.stderr, wanted);
    t.regex(denied.stderr, new RegExp(name));
    t.notRegex(denied.stderr, /practice/);
    platforms.answer(host, undefined);
    const refreshed = await daemon.cli(["refresh", name]);
    t.is(refreshed.code, 0, refreshed.stderr);
    t.is((await daemon.cli(["get", name])).stdout, `${TOKENS[name]}\n`);
  });
}
