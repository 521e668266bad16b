import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import test from "ava";
import { start } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { onLinux } from "../helpers/optional.ts";
import { ENTER, onTerminal } from "../helpers/terminal.ts";
import { RawClient } from "../helpers/wire.ts";

const PASSPHRASE = "open sesame";

async function setUp(t: Parameters<typeof startDaemon>[0], config = "") {
  const issuer = await startIssuer(t, {
    json: { access_token: "a-token", token_type: "Bearer", expires_in: 3600 },
  });
  const daemon = await startDaemon(t, {
    env: { AUTHD_VAULT_KEY: "passphrase" },
    config: { "config.toml": config },
  });
  const settings = { token_url: issuer.url, client_id: "me" };
  const secrets = { client_secret: "x" };
  const credential = { grant: "client_credentials", settings, secrets };
  const unlock = (input: string) => daemon.cli(["unlock", "--passphrase-from", "-"], { input });
  return { ...daemon, issuer, credential, unlock };
}

test("a service without a terminal is opened by authd unlock; authd lock closes it", async (t) => {
  const { cli, add, credential, unlock } = await setUp(t);
  const early = await add("labelf", { credential } as never);
  t.is(early.code, 6);
  t.regex(early.stderr, /authd unlock/);
  t.is((await unlock("")).code, 2);
  t.deepEqual(await unlock(PASSPHRASE), { code: 0, stdout: "The vault is open.\n", stderr: "" });
  t.is((await add("labelf", { credential } as never)).code, 0);
  t.is((await cli(["get", "labelf"])).stdout, "a-token\n");

  t.is((await cli(["lock"])).stdout, "Locked. authd unlock opens the vault again.\n");
  const refused = await cli(["get", "labelf"]);
  t.is(refused.code, 6);
  t.regex(refused.stderr, /locked with authd lock.*authd unlock/);
  for (const args of [
    ["set", "labelf", "--set", "client_id=you"],
    ["vault", "rekey", "--to", "file"],
    ["remove", "labelf"],
    ["test", "labelf"],
  ]) {
    const { code, stderr } = await cli(args);
    t.is(code, 6, args.join(" "));
    t.regex(stderr, /authd unlock/);
  }
  t.regex((await cli(["list"])).stdout, /labelf .*locked/);
  t.regex((await cli(["status"])).stdout, /locked/);
  t.is((await cli(["reload"])).code, 0);
  t.is((await cli(["get", "labelf"])).code, 6);
  const wrong = await unlock("wrong");
  t.is(wrong.code, 6);
  t.regex(wrong.stderr, /The passphrase is wrong/);
  t.is((await unlock(PASSPHRASE)).code, 0);
  t.is((await cli(["get", "labelf"])).stdout, "a-token\n");
});

onLinux("who guesses is slowed; a person in another session is not", async (t) => {
  const { cli, add, credential, unlock, env, folder } = await setUp(t);
  await unlock(PASSPHRASE);
  await add("labelf", { credential } as never);
  await cli(["lock"]);
  const guesses = ["unlock", "--passphrase-from", join(folder, "guess")];
  writeFileSync(join(folder, "guess"), "wrong", { mode: 0o600 });
  const script = `for i in 1 2 3; do "${process.execPath}" "${MAIN}" ${guesses.map((arg) => `"${arg}"`).join(" ")}; echo "code $?"; done`;
  const guesser = await start(t, "setsid", ["-w", "sh", "-c", script], { env }).ended;
  t.regex(guesser.stdout, /code 6\ncode 6\ncode 7/);
  t.regex(guesser.stderr, /try again in \d s/);
  t.is((await unlock(PASSPHRASE)).code, 0);
  t.is((await cli(["get", "labelf"])).stdout, "a-token\n");
});

test("on a terminal it asks, without an echo", async (t) => {
  const { env, unlock, cli } = await setUp(t);
  await unlock(PASSPHRASE);
  await cli(["lock"]);
  const terminal = onTerminal(t, { env }, ["unlock"]);
  await terminal.type("Passphrase of the vault", `${PASSPHRASE}${ENTER}`);
  const { stdout, code } = await terminal.ended;
  t.is(code, 0);
  t.false(stdout.includes(PASSPHRASE));
  t.regex(stdout, /The vault is open/);
});

test("a key beside the vault can't be locked away; lock_after says so, too", async (t) => {
  const config = { "config.toml": 'lock_after = "30m"\n' };
  const { cli } = await startDaemon(t, { config });
  const { code, stderr } = await cli(["lock"]);
  t.is(code, 2);
  t.regex(stderr, /in a file beside it.*authd vault rekey --to passphrase/);
  t.regex((await cli(["status"])).stdout, /can't be locked/);
  t.regex((await cli(["doctor"])).stdout, /can't be locked/);
});

/** An export that nobody has made: only scrypt can tell. */
const GUESSED = Buffer.concat([
  Buffer.from(
    `${JSON.stringify({ authd: "export", format: 1, alg: "A256GCM", kdf: "scrypt", N: 2 ** 16, r: 8, p: 1, salt: "AAAA" })}\n`,
  ),
  Buffer.alloc(100),
]).toString("base64");

test("a lock goes ahead of imports and changes that wait, and those are refused", async (t) => {
  const { socket, unlock, add, credential, cli } = await setUp(t);
  t.is((await unlock(PASSPHRASE)).code, 0);
  t.is((await add("labelf", { credential } as never)).code, 0);
  const before: string[] = [];
  let locked = false;
  const importing = async () => {
    const client = await RawClient.open(t, socket);
    client.request(1, "vault/upload", { data: GUESSED });
    await client.next();
    client.request(2, "vault/import", { passphrase: "a guess" });
    return async () => {
      const reason = (await client.next())?.error?.data.reason ?? "";
      if (!locked) before.push(reason);
      return reason;
    };
  };
  const answers = [];
  for (let count = 0; count < 15; count++) answers.push(await importing());
  const asked = Promise.all(answers.map((answer) => answer()));
  const client = await RawClient.open(t, socket);
  client.request(1, "lock", {});
  t.like(await client.next(), { result: { locked: true } });
  locked = true;
  t.true(before.length < 15, `${before.length} imports went first`);
  const reasons = await asked;
  t.true(reasons.includes("vault_locked"));
  t.deepEqual(new Set(reasons.slice(before.length + 1)), new Set(["vault_locked"]));
  t.is((await unlock(PASSPHRASE)).code, 0);
  t.is((await cli(["get", "labelf"])).stdout, "a-token\n");
});

/** Starts so many processes, each in a session of its own, that guess at once; says how each ended. */
const GUESS = `
  const { spawn } = require("node:child_process");
  const [socket, count] = process.argv.slice(1);
  const one = \`
    const socket = require("node:net").connect(process.argv[1]);
    const params = { passphrase: "a guess" };
    socket.write(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "unlock", params }) + "\\\\n", () => console.log("sent"));
    socket.once("data", (data) => { console.log(String(data).includes("error") ? "wrong" : "late"); process.exit(); });\`;
  for (let index = 0; index < Number(count); index++) {
    spawn(process.execPath, ["-e", one, socket], { detached: true, stdio: ["ignore", "inherit", "inherit"] });
  }`;

onLinux("guesses from fresh sessions keep nobody else's right passphrase waiting", async (t) => {
  const { socket, unlock, cli } = await setUp(t);
  t.is((await unlock(PASSPHRASE)).code, 0);
  t.is((await cli(["lock"])).code, 0);
  const GUESSES = 16;
  const guessing = start(t, process.execPath, ["-e", GUESS, socket, String(GUESSES)]);
  const lines = (word: string, text: string) => text.split(`${word}\n`).length - 1;
  let said = "";
  guessing.child.stdout?.on("data", (text: string) => {
    said += text;
  });
  while (lines("sent", said) < GUESSES) await guessing.says("sent").then(() => pause(20));
  t.is((await unlock(PASSPHRASE)).code, 0);
  const before = lines("wrong", said);
  t.true(before < GUESSES, `${before} guesses went first`);
  await guessing.ended;
});
