import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { RotatingIssuer } from "../../bench/helpers/rotating-issuer.ts";
import { connect } from "../../src/client.ts";
import { type Daemon, makeHome, startDaemon } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ENTER, onTerminal } from "../helpers/terminal.ts";

const WORD = "correct horse";

async function addStatic({ cli }: Daemon, name: string, token: string): Promise<void> {
  const args = ["add", name, "--grant", "static", "--secrets-from", "-"];
  const more = ["--set", "origins=https://api.example"];
  await cli([...args, ...more], { input: JSON.stringify({ token }) });
}

function passphraseFile({ folder }: Daemon, word = WORD): string {
  const file = join(folder, "word");
  writeFileSync(file, `${word}\n`, { mode: 0o600 });
  return file;
}

/** Every file of the vault and of the credentials, with its content. */
function everything({ stateDir, configDir }: Daemon): Record<string, string> {
  const folders = [join(stateDir, "vault"), join(configDir, "credentials")];
  return Object.fromEntries(
    folders
      .filter((folder) => existsSync(folder))
      .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
      .filter((file) => existsSync(file))
      .map((file) => [file, readFileSync(file, "latin1")]),
  );
}

/** The same, when what is saved behind an answer has been saved: twice in a row, nothing half done. */
async function everythingAtRest(daemon: Daemon): Promise<Record<string, string>> {
  for (let before = ""; ; ) {
    const files = everything(daemon);
    const now = JSON.stringify(files);
    if (now === before && !Object.keys(files).some((file) => file.endsWith(".tmp"))) return files;
    before = now;
    await sleep(300);
  }
}

test("a move: everything out to one file, in on the other machine, tokens and all", async (t) => {
  const issuer = await RotatingIssuer.start({ lifetime: 3_600_000 });
  t.teardown(() => issuer.close());
  const from = await startDaemon(t);
  await addStatic(from, "fixed", "token-of-fixed");
  const client = connect({ socket: from.socket });
  t.teardown(() => client.close());
  const family = issuer.signIn("session");
  await client.request("credentials/add", { name: "session", ...issuer.credential(family) });
  const before = await from.cli(["get", "session"]);
  const word = passphraseFile(from);
  const file = join(from.folder, "moving");
  const exported = await from.cli(["vault", "export", file, "--passphrase-from", "-"], {
    input: WORD,
  });
  t.is(exported.code, 0, exported.stderr);
  t.is(exported.stdout, "");
  t.regex(exported.stderr, /Exported 2 credentials to /);
  t.regex(
    exported.stderr,
    /session: a refresh token may be spent once only.*stop authd on this one/,
  );
  t.is(statSync(file).mode & 0o777, 0o600);
  t.false(/fixed|session|token/.test(readFileSync(file, "latin1")));
  await from.stop();

  const to = await startDaemon(t);
  const imported = await to.cli(["vault", "import", file, "--passphrase-from", word]);
  t.is(imported.code, 0, imported.stderr);
  t.regex(imported.stdout, /Imported 2 credentials\.\n {2}Next: authd test fixed\n/);
  t.regex(imported.stderr, /session: a refresh token may be spent once only/);
  t.is((await to.cli(["get", "fixed"])).stdout, "token-of-fixed\n");
  t.deepEqual(await to.cli(["get", "session"]), before);
  t.is((await to.cli(["refresh", "session"])).code, 0);
  t.is(issuer.seen.length, 2);
  t.false(family.revoked);
  for (const name of ["fixed", "session"]) {
    const toml = join("credentials", `${name}.toml`);
    t.is(
      readFileSync(join(to.configDir, toml), "utf8"),
      readFileSync(join(from.configDir, toml), "utf8"),
    );
  }
});

test("import refuses names that are there, unless --replace; --only takes some", async (t) => {
  const daemon = await startDaemon(t);
  for (const name of ["a", "b"]) await addStatic(daemon, name, `old-${name}`);
  const word = passphraseFile(daemon);
  const file = join(daemon.folder, "out");
  const vault = (...args: string[]) => daemon.cli(["vault", ...args, "--passphrase-from", word]);
  t.is((await vault("export", file)).code, 0);
  await daemon.cli(["remove", "a", "-y"]);
  await daemon.cli(["set", "b", "--secrets-from", "-"], { input: '{"token":"new-b"}' });
  const before = await everythingAtRest(daemon);

  const refused = await vault("import", file);
  t.is(refused.code, 2);
  t.regex(
    refused.stderr,
    /There are credentials of these names: b\. Give --replace.*Nothing was changed/,
  );
  const unknown = await vault("import", file, "--only", "aa");
  t.is(unknown.code, 2);
  t.regex(unknown.stderr, /no credential "aa"\. Nothing was changed/);
  t.deepEqual(await everythingAtRest(daemon), before);

  t.is((await vault("import", file, "--only", "a")).code, 0);
  t.is((await daemon.cli(["get", "a"])).stdout, "old-a\n");
  t.is((await daemon.cli(["get", "b"])).stdout, "new-b\n");
  const replaced = await vault("import", file, "--replace");
  t.regex(replaced.stdout, /Imported 2 credentials, 2 of them in the place of another/);
  t.is((await daemon.cli(["get", "b"])).stdout, "old-b\n");
  t.is((await vault("import", file, "--replace")).code, 0, "twice is as good as once");
});

test("a wrong passphrase, half a file and a hostile one change nothing", async (t) => {
  const daemon = await startDaemon(t);
  await addStatic(daemon, "a", "one");
  const file = join(daemon.folder, "out");
  const export_ = ["vault", "export", file, "--passphrase-from", "-"];
  t.is((await daemon.cli(export_, { input: WORD })).code, 0);
  await daemon.cli(["remove", "a", "-y"]);
  const before = await everythingAtRest(daemon);
  const whole = readFileSync(file);
  const attempt = async (bytes: Buffer, input: string) => {
    writeFileSync(file, bytes);
    return await daemon.cli(["vault", "import", file, "--passphrase-from", "-"], { input });
  };
  for (const [bytes, word, message] of [
    [whole, "wrong", /passphrase is wrong/],
    [whole, "", /passphrase is empty/],
    [whole.subarray(0, -20), WORD, /cut short or altered/],
    [
      Buffer.from(whole.toString("latin1").replace('"N":131072', '"N":1073741824'), "latin1"),
      WORD,
      /cost of scrypt/,
    ],
    [
      Buffer.from(whole.toString("latin1").replace('"format":1', '"format":2'), "latin1"),
      WORD,
      /newer authd/,
    ],
    [Buffer.alloc(0), WORD, /no file that authd vault export made/],
  ] as const) {
    const { code, stderr } = await attempt(bytes, word);
    t.is(code, 2, stderr);
    t.regex(stderr, message);
    t.false(stderr.includes(WORD));
  }
  t.deepEqual(await everythingAtRest(daemon), before);
  t.is((await attempt(whole, WORD)).code, 0);
});

test("an export overwrites nothing unless told to, and can go through a pipe", async (t) => {
  const daemon = await startDaemon(t);
  await addStatic(daemon, "a", "one");
  const word = passphraseFile(daemon);
  const file = join(daemon.folder, "out");
  writeFileSync(file, "mine");
  const vault = (...args: string[]) => daemon.cli(["vault", ...args, "--passphrase-from", word]);
  const refused = await vault("export", file);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /is there already; give --replace/);
  t.is(readFileSync(file, "utf8"), "mine");
  t.regex((await vault("export", join(file, "x"))).stderr, /There is no folder/);
  t.is((await vault("export", file, "--replace")).code, 0);
  const piped = await vault("export", "-");
  t.is(piped.code, 0);
  t.true(piped.stdout.startsWith('{"authd":"export","format":1,'));
  const both = await daemon.cli(["vault", "import", "-", "--passphrase-from", "-"], { input: "x" });
  t.regex(both.stderr, /give --passphrase-from FILE/);
  await daemon.cli(["remove", "a", "-y"]);
  const input = readFileSync(file);
  t.is((await daemon.cli(["vault", "import", "-", "--passphrase-from", word], { input })).code, 0);
  const none = await daemon.cli(["vault", "export", join(daemon.folder, "other")]);
  t.is(none.code, 2);
  t.regex(none.stderr, /no terminal to ask for the passphrase on/);
  t.deepEqual(
    readdirSync(daemon.folder).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("on a terminal the passphrase is asked for twice, and not shown", async (t) => {
  if (absent("script").length > 0) return missing(t, "install bsdutils for script(1)");
  const daemon = await startDaemon(t);
  await addStatic(daemon, "a", "one");
  const file = join(daemon.folder, "out");
  const first = onTerminal(t, daemon, ["vault", "export", file]);
  await first.type("A passphrase for the export", `${WORD}${ENTER}`);
  await first.type("The same once more", `${WORD}!${ENTER}`);
  const slip = await first.ended;
  t.is(slip.code, 2);
  t.regex(slip.stdout, /two different passphrases/);
  t.false(existsSync(file));
  const second = onTerminal(t, daemon, ["vault", "export", file]);
  await second.type("A passphrase for the export", `${WORD}${ENTER}`);
  await second.type("The same once more", `${WORD}${ENTER}`);
  const { code, stdout } = await second.ended;
  t.is(code, 0);
  t.false(stdout.includes(WORD));
  t.true(existsSync(file));
});

test("a damaged credential is named, and the export has the others", async (t) => {
  const daemon = await startDaemon(t);
  for (const name of ["a", "b"]) await addStatic(daemon, name, name);
  await daemon.stop();
  writeFileSync(join(daemon.stateDir, "vault", "b.sealed"), "rubbish");
  const again = await startDaemon(t, { home: daemon });
  const word = passphraseFile(daemon);
  const file = join(daemon.folder, "out");
  const { code, stderr } = await again.cli(["vault", "export", file, "--passphrase-from", word]);
  t.is(code, 1);
  t.regex(stderr, /Exported 2 credentials/);
  t.regex(stderr, /warning: The sealed file of "b" can't be opened/);
});

test("a locked vault and an absent daemon say so", async (t) => {
  const home = makeHome(t, { env: { AUTHD_VAULT_KEY: "passphrase" } });
  const word = join(home.folder, "word");
  const args = ["vault", "export", join(home.folder, "out"), "--passphrase-from", word];
  t.is((await home.cli(args)).code, 3);
  t.is((await home.cli(["vault", "rekey", "--to", "file"])).code, 3);
  const daemon = await startDaemon(t, { home });
  writeFileSync(word, WORD);
  const { code, stderr } = await daemon.cli(args);
  t.is(code, 6);
  t.regex(stderr, /The vault is sealed with a passphrase, and none was given/);
  t.false(existsSync(join(home.folder, "out")));
});

test("rekey: from the key file to a passphrase, and what config.toml has to say", async (t) => {
  const daemon = await startDaemon(t, {
    env: { AUTHD_VAULT_KEY: "" },
    config: { "config.toml": 'vault_key = "file"\n' },
  });
  await addStatic(daemon, "a", "one");
  const rekey = ["vault", "rekey", "--to", "passphrase", "--passphrase-from", "-"];
  const refused = await daemon.cli(rekey, { input: WORD });
  t.is(refused.code, 2);
  t.regex(refused.stderr, /says file: authd would not start again.*Set it to auto first/);
  writeFileSync(join(daemon.configDir, "config.toml"), 'vault_key = "auto"\n');
  const { code, stdout, stderr } = await daemon.cli(rekey, { input: WORD });
  t.is(code, 0, stderr);
  t.regex(
    stdout,
    /^1 record sealed with a new key; its source is: passphrase\.\n.*LoadCredentialEncrypted=authd-passphrase/,
  );
  t.regex((await daemon.cli(["status", "--json"])).stdout, /"vaultKey": "passphrase"/);
  t.is((await daemon.cli(["get", "a"])).stdout, "one\n");
  t.false(existsSync(join(daemon.stateDir, "vault", "key")));
  await daemon.stop();
  const credentials = join(daemon.folder, "word-for-systemd");
  mkdirSync(credentials);
  writeFileSync(join(credentials, "authd-passphrase"), WORD);
  const env = { AUTHD_VAULT_KEY: "", CREDENTIALS_DIRECTORY: credentials };
  const again = await startDaemon(t, { home: daemon, env });
  t.is((await again.cli(["get", "a"])).stdout, "one\n");
  const wrong = await again.cli(["vault", "rekey"]);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /--to/);
});
