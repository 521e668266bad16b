import { existsSync, readFileSync } from "node:fs";
import { createServer, type Socket, connect as toSocket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startLabelf } from "../../../src/sandbox/labelf.ts";
import { makeHome, startDaemon } from "../../helpers/daemon.ts";
import { HeldAnswers } from "../../helpers/held-answers.ts";
import { startIssuer } from "../../helpers/issuer.ts";
import { onLinux } from "../../helpers/optional.ts";
import { screenOf } from "../../helpers/screen.ts";
import { CTRL_C, ENTER, onTerminal } from "../../helpers/terminal.ts";

const CTRL_U = "\x15";
const DOWN = "\x1b[B";

onLinux("add alone asks for the API, its name, where the token goes, and the token", async (t) => {
  const daemon = await startDaemon(t);
  const terminal = onTerminal(t, daemon, ["add"]);
  await terminal.type("Which API is it for?", `as it is${ENTER}`);
  await terminal.type("What will you call it?", `Files${ENTER}`);
  await terminal.type('call it "files"', `${CTRL_U}files${ENTER}`);
  await terminal.type("How does the API want the token?", `${DOWN}${DOWN}${DOWN}${ENTER}`);
  await terminal.type("Which header?", `not a name${ENTER}`);
  await terminal.type("is not a header name", `${CTRL_U}x-key${ENTER}`);
  await terminal.type("To which origins", `https://api.example/v1${ENTER}`);
  await terminal.type("without a path", `${CTRL_U}https://api.example${ENTER}`);
  await terminal.type("ask for?", `https://other.example/me${ENTER}`);
  await terminal.type("none of the token's origins", `${CTRL_U}/v1/me${ENTER}`);
  await terminal.type("  Token", `tell€nobody${ENTER}`);
  await terminal.type("no HTTP header can carry", `${CTRL_U}tell-nobody${ENTER}`);
  const { code, stdout } = await terminal.ended;
  t.is(code, 0, stdout);
  t.regex(stdout, /files.* is added: .*untested/);
  t.false(stdout.includes("tell-nobody"));
  const file = readFileSync(join(daemon.configDir, "credentials", "files.toml"), "utf8");
  t.regex(file, /^origins = \[ ?"https:\/\/api\.example" ?\]$/m);
  t.regex(file, /^x-key = "\{token\}"$/m);
  t.regex(file, /^url = "https:\/\/api\.example\/v1\/me"$/m);
  const got = await daemon.cli(["get", "files", "--format", "header"]);
  t.is(got.stdout, "X-Key: tell-nobody\n");
});

onLinux("add asks for the parameter of the query that the token goes into", async (t) => {
  const daemon = await startDaemon(t);
  const terminal = onTerminal(t, daemon, ["add", "maps", "--grant", "static"]);
  await terminal.type("How does the API want the token?", `${DOWN.repeat(5)}${ENTER}`);
  await terminal.type("Which parameter?", `key${ENTER}`);
  await terminal.type("To which origins", `https://api.example${ENTER}`);
  await terminal.type("ask for?", ENTER);
  await terminal.type("  Token", `tell-nobody${ENTER}`);
  const { code, stdout } = await terminal.ended;
  t.is(code, 0, stdout);
  const file = readFileSync(join(daemon.configDir, "credentials", "maps.toml"), "utf8");
  t.regex(file, /^\[query\]\nkey = "\{token\}"$/m);
});

onLinux("add --replace shows what it replaces before it asks", async (t) => {
  const daemon = await startDaemon(t);
  const origins = ["https://old.example"];
  const credential = { grant: "static", settings: { origins }, secrets: { token: "x" } };
  t.is((await daemon.add("files", { credential })).code, 0);
  const told = "grant static, old.example, never used";
  const given = onTerminal(t, daemon, ["add", "files", "--grant", "static", "--replace"]);
  await given.type("How does the API want the token?", CTRL_C);
  const [shown = ""] = (await given.ended).stdout.split("How does");
  t.true(shown.includes(told), shown);
  t.is((await daemon.cli(["get", "files"])).stdout, "x\n");
  const asked = onTerminal(t, daemon, ["add", "--grant", "static", "--replace"]);
  await asked.type("What will you call it?", `files${ENTER}`);
  await asked.type("How does the API want the token?", CTRL_C);
  const { stdout } = await asked.ended;
  t.regex(stdout, /This replaces.*files.*: grant static, old\.example, last used \d+ s ago/);
  t.is((await daemon.cli(["get", "files"])).stdout, "x\n");
});

onLinux("an exchange is asked for step by step, and a mistake costs one answer", async (t) => {
  const issuer = await startIssuer(t, { json: { data: { jwt: "practice-jwt", seconds: 600 } } });
  const daemon = await startDaemon(t);
  const terminal = onTerminal(t, daemon, ["add", "orders", "--grant", "exchange"]);
  await terminal.type("more than one request?", `${DOWN}${ENTER}`);
  await terminal.type("authd edit NAME", "");
  await terminal.type("Which URL", `login.example${ENTER}`);
  await terminal.type("does not become a complete URL", `${CTRL_U}${issuer.url}${ENTER}`);
  await terminal.type("With which method?", ENTER);
  await terminal.type("A header of the sign-in", `x-client${ENTER}`);
  await terminal.type("Value of x-client", `shop${ENTER}`);
  await terminal.type("Another header of the sign-in", ENTER);
  await terminal.type("What is in its body?", ENTER);
  await terminal.type("Which JSON", `{user}${ENTER}`);
  await terminal.type(
    "No JSON",
    `${CTRL_U}{"user":"me","password":"{secret.pass_phrase}"}${ENTER}`,
  );
  await terminal.type("Where in the answer", `data.jwt${ENTER}`);
  await terminal.type("must be a JSON pointer", `${CTRL_U}/data/jwt${ENTER}`);
  await terminal.type("how long it holds?", `${DOWN}${ENTER}`);
  await terminal.type("Where?", `/data/seconds${ENTER}`);
  await terminal.type("How does the API want", ENTER);
  await terminal.type("To which origins", ENTER);
  await terminal.type("pass phrase", `practice-password${ENTER}`);
  const { code, stdout } = await terminal.ended;
  t.is(code, 0, stdout);
  t.regex(stdout, /orders.* is added: .*ready/);
  const [seen] = issuer.requests;
  t.is(seen?.method, "POST");
  t.is(seen?.headers["x-client"], "shop");
  t.deepEqual(JSON.parse(seen?.body ?? ""), { user: "me", password: "practice-password" });
  t.is((await daemon.cli(["get", "orders"])).stdout, "practice-jwt\n");
});

onLinux("Ctrl-C leaves nothing, and the command that goes on from there", async (t) => {
  const daemon = await startDaemon(t);
  const terminal = onTerminal(t, daemon, ["add", "mine", "--grant", "client_credentials"]);
  await terminal.type("token_url", `https://login.example/token${ENTER}`);
  await terminal.type("client_id", `it's me${ENTER}`);
  await terminal.type("scope", CTRL_C);
  const { code, stdout } = await terminal.ended;
  t.is(code, 1);
  t.true(stdout.includes("nothing was changed"));
  const sets = "--set token_url=https://login.example/token --set 'client_id=it'\\''s me'";
  t.true(stdout.includes(`authd add mine --grant client_credentials ${sets}`), stdout);
  t.is((await daemon.cli(["show", "mine"])).code, 4);
  t.false(existsSync(join(daemon.configDir, "credentials", "mine.toml")));
});

onLinux("Ctrl-C while the issuer does not answer says what is there already", async (t) => {
  const held = new HeldAnswers();
  const issuer = await startIssuer(t, held.answer);
  const daemon = await startDaemon(t);
  const terminal = onTerminal(t, daemon, [
    ...["add", "slow", "--grant", "client_credentials", "--set", "client_id=me"],
    ...["--set", `token_url=${issuer.url}`],
  ]);
  await terminal.type("Client secret", `practice-secret${ENTER}`);
  while (issuer.requests.length === 0) await sleep(20);
  await terminal.type("", CTRL_C);
  const { code, stdout } = await terminal.ended;
  t.is(code, 1);
  t.regex(stdout, /slow is added already, and was not tried: authd test slow/);
  t.is((await daemon.cli(["show", "slow"])).code, 0);
});

onLinux("what is typed before a question is neither echoed nor an answer", async (t) => {
  const daemon = await startDaemon(t);
  const { env, opened } = await slowSocket(t, daemon);
  const terminal = onTerminal(t, { env }, ["add"]);
  const release = await opened;
  await terminal.type("", `typed-too-early${ENTER}`);
  // Until the terminal has it; nothing on the screen may tell.
  await sleep(300);
  release();
  await terminal.type("Which API is it for?", `labelf${ENTER}`);
  await terminal.type("What will you call it?", ENTER);
  await terminal.type("Client ID", CTRL_C);
  const { stdout } = await terminal.ended;
  t.false(stdout.includes("typed-too-early"), stdout);
  t.true(stdout.includes("authd add labelf --preset labelf"), stdout);
});

onLinux(
  "what is typed before authd runs is no answer, and not left before the question",
  async (t) => {
    const daemon = await startDaemon(t);
    // The terminal echoes what is typed here; authd starts when it was.
    const before = "echo begun; sleep 1";
    const size = { columns: 80, rows: 24 };
    const terminal = onTerminal(t, daemon, ["add", "x", "--grant", "static"], { ...size, before });
    await terminal.type("begun", "typed-too-early");
    await terminal.type("How does the API want", ENTER);
    await terminal.type("To which origins", ENTER);
    await terminal.says("  Token");
    await terminal.type("", `tell-nobody${ENTER}`);
    const { code, stdout } = await terminal.ended;
    t.is(code, 0, stdout);
    t.is((await daemon.cli(["get", "x"])).stdout, "tell-nobody\n");
    const shown = (await screenOf(stdout, size)).map(({ text }) => text);
    t.false(shown.join("\n").includes("typed-too-early"), shown.join("\n"));
  },
);

onLinux("a passphrase typed before serve asks for it is none", async (t) => {
  const home = makeHome(t, { env: { AUTHD_VAULT_KEY: "passphrase" } });
  const before = "echo begun; sleep 1";
  const terminal = onTerminal(t, home, ["serve"], { columns: 80, rows: 24, before });
  await terminal.type("begun", `typed too early${ENTER}typed too early${ENTER}`);
  await terminal.type("Passphrase of the vault", `correct horse battery${ENTER}`);
  await terminal.type("The same once more", `correct horse battery${ENTER}`);
  await terminal.says("authd listens on");
  const { lock } = JSON.parse((await home.cli(["status", "--json"])).stdout).daemon;
  t.false(lock.locked);
  await terminal.type("", CTRL_C);
  await terminal.ended;
  const again = await startDaemon(t, { home });
  const input = { input: "typed too early\n" };
  t.is((await again.cli(["unlock", "--passphrase-from", "-"], input)).code, 6);
  t.is(
    (await again.cli(["unlock", "--passphrase-from", "-"], { input: "correct horse battery\n" }))
      .code,
    0,
  );
});

onLinux("a daemon that ends meanwhile costs no answer", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const { settings, secrets } = api.credential;
  const daemon = await startDaemon(t);
  const args = ["add", "labelf", "--preset", "labelf", "--set", `token_url=${settings.token_url}`];
  const terminal = onTerminal(t, daemon, args);
  await terminal.type("Client ID", `${settings.client_id}${ENTER}`);
  await terminal.says("Client secret");
  await daemon.stop();
  await terminal.type("", `${secrets.client_secret}${ENTER}`);
  await terminal.says("Try again with the same answers?");
  await startDaemon(t, { home: daemon });
  await terminal.type("", "y");
  const { code, stdout } = await terminal.ended;
  t.is(code, 0, stdout);
  t.regex(stdout, /labelf.* is added: .*ready/);
});

onLinux(
  "settings that do not fit together are asked for again, with the answers there",
  async (t) => {
    const daemon = await startDaemon(t);
    const terminal = onTerminal(t, daemon, [
      ...["add", "me", "--preset", "zebbra", "--set", "verify.url=https://other.example/me"],
    ]);
    await terminal.type("User name", `somebody${ENTER}`);
    await terminal.type("Server", `http://127.0.0.1:1${ENTER}`);
    const isAskedAgain = /outside the allowed origins[\s\S]*User name[\s\S]*somebody/;
    while (!isAskedAgain.test(await terminal.says("outside"))) await sleep(20);
    await terminal.type("", CTRL_C);
    const { code } = await terminal.ended;
    t.is(code, 1);
  },
);

onLinux("a name that is taken is refused before any other question", async (t) => {
  const daemon = await startDaemon(t);
  const args = ["add", "x", "--grant", "static", "--secrets-from", "-"];
  t.is((await daemon.cli(args, { input: '{"token": "x"}' })).code, 0);
  const terminal = onTerminal(t, daemon, ["add", "x"]);
  const { code, stdout } = await terminal.ended;
  t.is(code, 2);
  t.regex(stdout, /there is a credential of that name/);
  t.notRegex(stdout, /Which API|To go on/);
});

/** A socket of which everything is held back until it is released. */
async function slowSocket(
  t: Parameters<typeof startDaemon>[0],
  daemon: Awaited<ReturnType<typeof startDaemon>>,
) {
  const path = join(daemon.folder, "slow.sock");
  const sockets: Socket[] = [];
  let isReleased = false;
  const connectThrough = (socket: Socket) => {
    const upstream = toSocket(daemon.socket);
    sockets.push(upstream);
    socket.pipe(upstream).pipe(socket);
  };
  const waiting: Socket[] = [];
  const opened = new Promise<() => void>((resolve) => {
    const release = () => {
      isReleased = true;
      waiting.forEach(connectThrough);
    };
    const server = createServer((socket) => {
      sockets.push(socket);
      if (isReleased) return connectThrough(socket);
      waiting.push(socket);
      resolve(release);
    }).listen(path);
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
  });
  return { env: { ...daemon.env, AUTHD_SOCKET: path }, opened };
}
