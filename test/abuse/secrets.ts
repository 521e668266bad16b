/**
 * Every command, in every way that it can fail, with secrets that are easy to recognize: they are
 * looked for in all that is printed, logged, written, sent to others and handed to processes. The
 * table is complete by a test: a new command fails it until it has its row.
 */

import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { commands } from "../../src/cli/commands.ts";
import { params } from "../../src/rpc/params.ts";
import { run } from "../helpers/child.ts";
import { type Daemon, MAIN, startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { absent, asRoot, missing, onLinux } from "../helpers/optional.ts";
import { type Answer, RawClient } from "../helpers/wire.ts";

/** Never to be seen outside of the vault. Their characters differ in every encoding. */
const SECRETS = {
  clientSecret: "practice+client/secret~4711==",
  staticToken: "practice-static-token-4712",
  passphrase: "practice passphrase 4713",
  proxyPassword: "practice-proxy-4714",
  badInput: "practice-bad-input-4715",
  refreshToken: "practice-refresh-token-4716",
  ofOthers: "practice-of-another-program-4717",
};
/** What `get` prints, and an API that echoes it. */
const ACCESS = "practice-access-token-4718";

interface Run {
  args: readonly string[];
  input?: string;
  /** Its standard output may hold a token. */
  printsToken?: true;
}

const GOOD_SECRETS = JSON.stringify({ client_secret: SECRETS.clientSecret });
const add = (name: string, url: string) =>
  ["add", name, "--grant", "client_credentials", "--set", `token_url=${url}`].concat([
    "--set",
    "client_id=me",
    "--secrets-from",
    "-",
    "--replace",
  ]);
const exported = (file: string) => ["vault", "export", file, "--passphrase-from", "-"];

/** As git asks. */
const asked = (url: string) => `protocol=http\nhost=${new URL(url).host}\n`;

/** One row a command; `url` is where the issuer and API are. */
const RUNS: Record<string, (url: string, folder: string) => readonly Run[]> = {
  get: () => [
    { args: ["get", "mine"], printsToken: true },
    { args: ["get", "mine", "--refresh", "--format", "json"], printsToken: true },
    { args: ["get", "fixed", "--format", "header"], printsToken: true },
    { args: ["get", "nothing"] },
  ],
  request: (url) => [
    { args: ["request", "mine", `${url}/api`, "-i"], printsToken: true },
    { args: ["request", "mine", "https://elsewhere.example/"] },
    { args: ["request", "mine", `${url}/hangup`, "-d", "@-"], input: "body" },
  ],
  // A variable is where a token is meant to be; descriptors and files are what nobody else gets to see.
  exec: () => [
    { args: ["exec", "--fd", "3=mine", "--", "sh", "-c", "cat <&3"], printsToken: true },
    {
      args: ["exec", "--file", "t=mine", "--", "sh", "-c", "cat $AUTHD_TOKEN_DIR/t"],
      printsToken: true,
    },
    { args: ["exec", "mine", "nothing", "--", "true"] },
  ],
  helper: (url) => [
    { args: ["helper", "list"] },
    { args: ["helper", "install", "git", "--for", `${url}=fixed`] },
    { args: ["helper", "git", "get"], input: asked(url), printsToken: true },
    { args: ["helper", "git", "erase"], input: `${asked(url)}password=${SECRETS.badInput}\n` },
    { args: ["helper", "list", "--json"] },
    { args: ["helper", "uninstall", "git"] },
  ],
  curl: (url) => [
    { args: ["curl", "mine", "-s", `${url}/api`], printsToken: true },
    { args: ["curl", "mine", "-s", "-T", "-", `${url}/api`], input: "body", printsToken: true },
    { args: ["curl", "mine", "https://elsewhere.example/"] },
    { args: ["curl", "mine", "--libcurl", "x.c", url] },
  ],
  netrc: () => [{ args: ["netrc", "mine"], printsToken: true }, { args: ["netrc", "fixed"] }],
  "token-file": (_, folder) => [
    { args: ["token-file", "mine", join(folder, "token")] },
    { args: ["token-file", "--list"] },
    { args: ["token-file", "--remove", join(folder, "token")] },
    { args: ["token-file", "mine", folder] },
  ],
  fleet: () => [
    { args: ["fleet", "status"] },
    { args: ["fleet", "invite"] },
    { args: ["fleet", "key", "nodes"] },
    {
      args: ["fleet", "join", "postgres://authd@localhost/authd", "--invite", "-"],
      input: SECRETS.badInput,
    },
    { args: ["fleet", "remove", "elsewhere"] },
    { args: ["fleet", "drain"] },
  ],
  test: () => [{ args: ["test", "mine"] }, { args: ["test", "fixed"] }],
  add: (url) => [
    { args: add("added", url), input: GOOD_SECRETS },
    { args: add("refused", `${url}/refuse`), input: GOOD_SECRETS },
    { args: add("broken", url), input: `{"client_secret": "${SECRETS.badInput}"` },
    { args: add("wrong", url), input: `{"client_sekret": "${SECRETS.badInput}"}` },
    { args: add("wrong", url), input: `{"client_secret": ["${SECRETS.badInput}"]}` },
    { args: add("wrong", "ftp://x"), input: GOOD_SECRETS },
    { args: add("UP", url), input: GOOD_SECRETS },
    { args: ["add", "x", "--grant", "static", "--set", `token=${SECRETS.badInput}`] },
  ],
  set: () => [
    { args: ["set", "mine", "--secrets-from", "-"], input: GOOD_SECRETS },
    { args: ["set", "mine", "--secrets-from", "-"], input: SECRETS.badInput },
    { args: ["set", "mine", "--set", `client_secret=${SECRETS.badInput}`] },
    { args: ["set", "mine", "--secret", `client_secret=${SECRETS.badInput}`] },
    { args: ["set", "mine", "--secret", "client_sekret=-"], input: SECRETS.badInput },
    { args: ["set", "nothing", "--secrets-from", "-"], input: GOOD_SECRETS },
  ],
  // The sign-ins of people: test/e2e/login.ts looks for their secrets.
  login: () => [{ args: ["login", "mine", "--no-open"] }],
  logout: () => [{ args: ["logout", "mine"] }],
  // Without an editor: it only opens the file, which holds no secret.
  edit: () => [{ args: ["edit", "edited"] }],
  logs: () => [{ args: ["logs"] }],
  trust: () => [{ args: ["trust", "edited", "--yes"] }],
  presets: () => [{ args: ["presets"] }],
  list: () => [{ args: ["list"] }, { args: ["list", "--json"] }],
  show: () => [{ args: ["show", "mine"] }, { args: ["show", "fixed", "--json"] }],
  refresh: () => [{ args: ["refresh", "mine"] }, { args: ["refresh", "refused"] }],
  remove: () => [{ args: ["remove", "added", "--yes"] }],
  status: () => [{ args: ["status"] }, { args: ["status", "--json"] }],
  health: () => [{ args: ["health"] }, { args: ["health", "--json"] }],
  events: () => [{ args: ["events"] }, { args: ["events", "--json"] }],
  doctor: () => [{ args: ["doctor"] }],
  vault: (_, folder) => [
    { args: exported(join(folder, "export")), input: `${SECRETS.passphrase}\n` },
    {
      args: ["vault", "import", join(folder, "export"), "--passphrase-from", "-"],
      input: `${SECRETS.badInput}\n`,
    },
    { args: ["vault", "rekey", "--to", "passphrase", "--passphrase-from", "-"], input: "\n" },
  ],
  lock: () => [{ args: ["lock"] }, { args: ["lock", "--after", "forever"] }],
  unlock: () => [{ args: ["unlock", "--passphrase-from", "-"], input: `${SECRETS.badInput}\n` }],
  pending: () => [{ args: ["pending"] }],
  approve: () => [
    {
      args: ["approve", "nothing", "--once", "--passphrase-from", "-"],
      input: `${SECRETS.badInput}\n`,
    },
  ],
  audit: () => [{ args: ["audit", "--json"] }, { args: ["audit", "verify"] }],
  reload: () => [{ args: ["reload"] }],
  // With other arguments: the daemon itself is what all the others ask.
  stop: () => [{ args: ["stop", "--nothing"] }],
  serve: () => [{ args: ["serve", SECRETS.badInput.slice(0, 0) || "--nothing"] }],
  service: () => [{ args: ["service", "status"] }],
  // Its secrets are its own; test/cli/sandbox.ts looks for them.
  sandbox: () => [{ args: ["sandbox", "--nothing"] }],
  completion: () => [{ args: ["completion", "bash"] }],
};

test("every command has its row", (t) => {
  t.deepEqual(Object.keys(RUNS).sort(), Object.keys(commands).sort());
});

/** A secret as it may be spelled, wherever it starts in base64. */
function spellings(secret: string): string[] {
  const shifted = ["", "x", "xx"].map((before) =>
    // The ends depend on what is around them.
    Buffer.from(before + secret)
      .toString("base64")
      .slice(before.length === 0 ? 0 : 4, -5),
  );
  const escaped = JSON.stringify(secret).slice(1, -1);
  const all = [secret, escaped, encodeURIComponent(secret), Buffer.from(secret).toString("hex")];
  return [...all, ...shifted];
}

function foundIn(text: string, secrets: readonly string[]): string[] {
  return secrets.filter((secret) => spellings(secret).some((spelling) => text.includes(spelling)));
}

interface World {
  daemon: Daemon;
  url: string;
  listener: RawClient | undefined;
  /** Nothing was broken on purpose. */
  isWell: boolean;
  /** What strace noted: each program that was started, its arguments and variables. */
  started: string;
}

/** strace's words before a program: it notes what that starts, in full. */
const watched = (file: string) => [
  "strace",
  "-D",
  "-f",
  "-qq",
  "-v",
  "-s",
  "65536",
  "--seccomp-bpf",
  "-e",
  "trace=execve",
  "-o",
  file,
];

async function setup(t: ExecutionContext): Promise<World> {
  const issuer = await startIssuer(t, ({ path, form, headers }, response) => {
    // Whatever it is sent comes back, which is the worst that an issuer can do.
    const echo = `${form} ${headers.authorization} ${SECRETS.clientSecret} ${ACCESS}`;
    if (path === "/hangup") return void response.destroy();
    if (path === "/api")
      return { body: echo, headers: { "x-echo": String(headers.authorization) } };
    if (path.startsWith("/refuse")) {
      return { status: 401, json: { error: "invalid_client", error_description: echo } };
    }
    const rest = { token_type: "bearer", expires_in: 3600, refresh_token: SECRETS.refreshToken };
    return { json: { access_token: ACCESS, ...rest } };
  });
  const calm = 'grant = "static"\norigins = ["https://a.example"]\n';
  const proxy = `proxy = "http://me:${SECRETS.proxyPassword}@127.0.0.1:1"\n`;
  const daemon = await startDaemon(t, {
    env: { AUTHD_LOG_LEVEL: "trace", SECRET_OF_OTHERS: SECRETS.ofOthers },
    config: {
      "config.toml": `${proxy}hook = ["/bin/sh", "-c", "env >> $HOME/hook.env"]\n`,
      "credentials/edited.toml": calm,
    },
  });
  const settings = { token_url: issuer.url, client_id: "me", origins: [issuer.origin] };
  const secrets = { client_secret: SECRETS.clientSecret };
  await daemon.add("mine", { credential: { grant: "client_credentials", settings, secrets } });
  const fixed = { settings: {}, secrets: { token: SECRETS.staticToken } };
  await daemon.add("fixed", { credential: { grant: "static", ...fixed } });
  await daemon.add("edited", { credential: { grant: "static", ...fixed } }, ["--replace"]);
  writeFileSync(join(daemon.configDir, "credentials/edited.toml"), `${calm}ttl = 1\n`);
  const listener = await RawClient.open(t, daemon.socket);
  listener.request(1, "subscribe", { events: true });
  await listener.next();
  return {
    daemon,
    url: issuer.origin,
    listener,
    isWell: true,
    started: join(daemon.folder, "started"),
  };
}

/** Runs every row; rows of one command in order, commands side by side, a few at a time. */
async function runAll(
  t: ExecutionContext,
  { daemon, url, started, isWell }: World,
  folder: string,
) {
  const rows = Object.entries(RUNS);
  const next = async (): Promise<void> => {
    const row = rows.shift();
    if (!row) return;
    const all = row[1](url, folder);
    // How they fail otherwise was seen once; here it is the daemon that fails them.
    const some = isWell ? all : all.slice(0, 1);
    for (const [index, { args, input, printsToken }] of some.entries()) {
      const through = isWell ? watched(`${started}.${row[0]}.${index}`) : [];
      const words = [...through, process.execPath, MAIN, ...args];
      const env = { ...daemon.env, TMPDIR: folder };
      const [command = "", ...rest] = words;
      const { stdout, stderr } = await runWithInput(t, command, rest, env, input);
      const what = args.join(" ");
      const secrets = Object.values(SECRETS);
      // A static token is what its owner asks for.
      const own = printsToken ? [SECRETS.staticToken, SECRETS.clientSecret] : [];
      const hidden = secrets.filter((secret) => !own.includes(secret));
      t.deepEqual(foundIn(stdout, printsToken ? hidden : [...secrets, ACCESS]), [], what);
      t.deepEqual(foundIn(stderr.replace(/^x-echo: .*$/m, ""), [...secrets, ACCESS]), [], what);
    }
    return next();
  };
  await Promise.all([next(), next(), next()]);
}

function runWithInput(
  t: ExecutionContext,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input: string | undefined,
) {
  const fed = ["-c", 'printf %s "$INPUT" | env -u INPUT "$0" "$@"', command, ...args];
  return run(t, "sh", fed, { env: { ...env, INPUT: input ?? "" } });
}

/** All below a folder, but for what strace wrote and what the shell fed. */
function written(folder: string): [path: string, text: string][] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [path, readFileSync(path).toString("latin1")]);
}

/** Arguments that a person typed a secret into, against all advice, are theirs. */
const typed = (text: string) =>
  text.replace(/"(client_secret|token)=practice-bad-input-4715"/g, "");

async function search(t: ExecutionContext, { daemon, listener, isWell }: World): Promise<void> {
  const all = [...Object.values(SECRETS), ACCESS];
  if (listener) t.deepEqual(foundIn(listener.received, all), [], "another client");
  const { stdout, stderr } = await daemon.stop();
  t.deepEqual(foundIn(stdout + stderr, all), [], "the daemon's log");
  const files = written(daemon.folder);
  if (isWell) t.true(files.some(([path]) => path.includes("started.get")));
  for (const [path, text] of files) {
    const own = path.endsWith("config.toml") ? [SECRETS.proxyPassword] : [];
    const ofTheDaemon = path.includes("/started") ? [SECRETS.ofOthers] : [];
    const hidden = all.filter((secret) => ![...own, ...ofTheDaemon].includes(secret));
    t.deepEqual(foundIn(typed(text), hidden), [], path);
    t.notRegex(path, /\/core(\.|$)/);
  }
}

for (const [world, change] of [
  ["all is well", () => {}],
  [
    "the vault is locked",
    async ({ daemon }: World) => {
      await daemon.stop();
      renameSync(join(daemon.stateDir, "vault/key"), join(daemon.folder, "taken"));
    },
  ],
  [
    "the vault's files are damaged",
    async ({ daemon }: World) => {
      await daemon.stop();
      const file = join(daemon.stateDir, "vault/mine.sealed");
      writeFileSync(file, readFileSync(file).subarray(0, -20));
    },
  ],
  ["there is no daemon", async ({ daemon }: World) => void (await daemon.stop())],
] as const) {
  // Only root may trace the daemon: a tracer of its own user keeps it from starting.
  asRoot(`no command gives a secret away: ${world}`, async (t) => {
    if (absent("strace").length > 0) return missing(t, "strace is not installed");
    const first = await setup(t);
    await change(first);
    let now: World = { ...first, isWell: world === "all is well" };
    if (world.startsWith("the vault")) {
      const home = { ...first.daemon, env: { ...first.daemon.env, AUTHD_LOG_LEVEL: "trace" } };
      const through = watched(`${first.started}.serve`);
      now = { ...now, daemon: await startDaemon(t, { home, through }), listener: undefined };
    }
    await runAll(t, now, first.daemon.folder);
    await search(t, now);
    t.true(statSync(first.daemon.folder).isDirectory());
  });
}

/** Every method, with secrets wherever one can be given. */
function* badCalls() {
  const { badInput, passphrase } = SECRETS;
  const secrets = { client_secret: badInput, token: badInput, [badInput]: badInput };
  const settings = { x: badInput, origins: badInput };
  for (const method of Object.keys(params).filter((name) => name !== "shutdown")) {
    for (const credential of ["mine", "nothing", badInput]) {
      const given = { credential, name: credential, secrets, passphrase, data: badInput };
      const all = { ...given, grant: "static", settings, answer: badInput };
      for (const sent of [all, [given], badInput, { [badInput]: given }])
        yield { method, credential, sent };
    }
  }
}

/** The answer to one request; notifications before it are skipped. */
async function answerTo(client: RawClient, id: number): Promise<Answer> {
  let answer = await client.next();
  while (answer && answer.id !== id) answer = await client.next();
  return answer ?? {};
}

onLinux("no method repeats a secret to its caller, to other clients or to the log", async (t) => {
  const world = await setup(t);
  const client = await RawClient.open(t, world.daemon.socket);
  const { badInput } = SECRETS;
  let id = 1;
  for (const { method, credential, sent } of badCalls()) {
    client.request(++id, method, sent);
    const answer = await answerTo(client, id);
    if (method === "getToken" && answer.result) continue;
    // A name is no secret; whoever gives one as such sees it again.
    const text = JSON.stringify(answer).replaceAll(`"credential":"${badInput}"`, "");
    const isName = credential === badInput && answer.error?.data.reason === "unknown_credential";
    if (!isName) t.deepEqual(foundIn(text, Object.values(SECRETS)), [], `${method} ${text}`);
  }
  client.socket.destroy();
  t.deepEqual(foundIn(world.listener?.received ?? "", [...Object.values(SECRETS), ACCESS]), []);
  const { stderr } = await world.daemon.stop();
  const { badInput: _, ...neverNames } = SECRETS;
  t.deepEqual(foundIn(stderr, [...Object.values(neverNames), ACCESS]), []);
});
