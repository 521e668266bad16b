/** A daemon that is killed while it imports, or while its vault gets another key. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { type Family, RotatingIssuer } from "../../bench/helpers/rotating-issuer.ts";
import { type AuthdError, type Client, connect } from "../../src/client.ts";
import { sealExport } from "../../src/vault/index.ts";
import { startCrashableDaemon } from "../helpers/crashable-daemon.ts";
import { type Home, makeHome, startDaemon } from "../helpers/daemon.ts";

const WORD = "correct horse";
const TOML = `grant = "static"\norigins = ["https://api.example"]\n`;

function clientOf(t: ExecutionContext, { socket }: Home): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

const addStatic = (client: Client, name: string, token: string) =>
  client.request("credentials/add", {
    name,
    grant: "static",
    settings: { origins: ["https://api.example"] },
    secrets: { token },
  });

/** An export of a daemon that has `tokens`. */
async function exported(t: ExecutionContext, tokens: Record<string, string>): Promise<string> {
  const daemon = await startDaemon(t);
  const client = clientOf(t, daemon);
  for (const [name, token] of Object.entries(tokens)) await addStatic(client, name, token);
  const file = join(daemon.folder, "out");
  const args = ["vault", "export", file, "--passphrase-from", "-"];
  t.is((await daemon.cli(args, { input: WORD })).code, 0);
  await daemon.stop();
  return file;
}

async function tokens(client: Client): Promise<Record<string, string>> {
  const { credentials } = await client.request("credentials/list", {});
  const entries = credentials.map(async ({ name }) => {
    const { accessToken } = await client.getToken({ credential: name });
    return [name, accessToken] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

test("killed before every seventh change to the disk of an import: all of it or nothing, and at last all", async (t) => {
  const file = await exported(t, { a: "new-a", b: "new-b", c: "new-c" });
  const home = makeHome(t);
  const before = { a: "old-a", z: "old-z" };
  const first = await startCrashableDaemon(t, home);
  const client = clientOf(t, home);
  for (const [name, token] of Object.entries(before)) await addStatic(client, name, token);
  await first.kill();
  const pristine = join(home.folder, "pristine");
  for (const dir of [home.configDir, home.stateDir]) {
    cpSync(dir, join(pristine, dir), { recursive: true });
  }
  const seen = new Set<string>();
  let kills = 0;
  for (let step = 1; ; step += 7) {
    for (const dir of [home.configDir, home.stateDir]) {
      cpSync(join(pristine, dir), dir, { recursive: true, force: true });
      for (const name of ["b", "c"]) await removeAll(dir, name);
    }
    const daemon = await startCrashableDaemon(t, home);
    await daemon.arm(step);
    const args = ["vault", "import", file, "--replace", "--passphrase-from", "-"];
    const { code } = await home.cli(args, { input: WORD });
    if (code !== 0) {
      t.is((await daemon.ended).signal, "SIGKILL");
      kills++;
    } else await daemon.kill();
    const again = await startCrashableDaemon(t, home);
    const after = await tokens(client);
    const all = { a: "new-a", b: "new-b", c: "new-c", z: "old-z" };
    t.deepEqual(after, after.b === undefined ? before : all, `step ${step}`);
    if (code === 0) t.deepEqual(after, all);
    seen.add(Object.keys(after).join());
    await again.kill();
    t.false(readdirSync(join(home.stateDir, "vault")).includes("intent"));
    if (code === 0) break;
  }
  t.log(`killed ${kills} times`);
  t.true(kills >= 4);
  t.deepEqual([...seen].sort(), ["a,b,c,z", "a,z"]);
});

/** What an import before has left in the folder, which is put back without it. */
async function removeAll(dir: string, name: string): Promise<void> {
  await rm(join(dir, "credentials", `${name}.toml`), { force: true });
  await rm(join(dir, "vault", `${name}.sealed`), { force: true });
}

test("credential files that can't be written: nothing is imported, and what there was works on", async (t) => {
  const file = await exported(t, { a: "new-a", b: "new-b" });
  const daemon = await startDaemon(t);
  const client = clientOf(t, daemon);
  await addStatic(client, "a", "old-a");
  // The file of b can't be put there: a folder is in its place.
  mkdirSync(join(daemon.configDir, "credentials", "b.toml"));
  const args = ["vault", "import", file, "--replace", "--passphrase-from", "-"];
  const { code, stderr } = await daemon.cli(args, { input: WORD });
  t.not(code, 0);
  t.regex(stderr, /b\.toml/);
  t.is((await client.getToken({ credential: "a" })).accessToken, "old-a");
  await daemon.stop();
  t.deepEqual(
    readdirSync(join(daemon.stateDir, "vault")).filter((name) => /intent|^b/.test(name)),
    [],
  );
  const again = await startDaemon(t, { home: daemon });
  t.is((await clientOf(t, again).getToken({ credential: "a" })).accessToken, "old-a");
});

/**
 * Kills a daemon, which has `a` and `z`, amid an import of `a` and `b`, and puts a folder in the place
 * of b's file: `open` is what its vault takes, `mend` takes the folder away.
 */
async function cutOff(t: ExecutionContext, home: Home, open: () => Promise<unknown>) {
  const file = await exported(t, { a: "new-a", b: "new-b" });
  const daemon = await startCrashableDaemon(t, home);
  await open();
  const client = clientOf(t, home);
  await addStatic(client, "a", "old-a");
  await addStatic(client, "z", "old-z");
  await daemon.arm("writeFileSync credentials/a.toml");
  const args = ["vault", "import", file, "--replace", "--passphrase-from", "-"];
  t.not((await home.cli(args, { input: WORD })).code, 0);
  await daemon.ended;
  const obstacle = join(home.configDir, "credentials", "b.toml");
  mkdirSync(obstacle);
  return { client, mend: () => rm(obstacle, { recursive: true }) };
}

/** What waits for the import can't be used, in whatever state it is; all else can. */
async function waits(t: ExecutionContext, client: Client) {
  t.is((await client.getToken({ credential: "z" })).accessToken, "old-z");
  for (const credential of ["a", "b"]) {
    const error = await t.throwsAsync<AuthdError>(client.getToken({ credential }));
    t.is(error?.reason, "credential_damaged");
    t.regex(error!.message, /Its import is not completed: .*b\.toml.*authd reload/);
  }
}

test("an import that can't be completed at start is told of, and completed by a reload", async (t) => {
  const home = makeHome(t);
  const { client, mend } = await cutOff(t, home, async () => {});
  const again = await startDaemon(t, { home });
  await waits(t, client);
  await mend();
  t.is((await again.cli(["reload"])).code, 0);
  t.deepEqual(await tokens(client), { a: "new-a", b: "new-b", z: "old-z" });
});

test("an import that was cut off is completed when a locked vault is opened, before anything of it is used", async (t) => {
  const home = makeHome(t, { env: { AUTHD_VAULT_KEY: "passphrase" } });
  const unlock = async () => {
    const args = ["unlock", "--passphrase-from", "-"];
    t.is((await home.cli(args, { input: "to the vault" })).code, 0);
  };
  const { client, mend } = await cutOff(t, home, unlock);
  const again = await startDaemon(t, { home });
  await unlock();
  await waits(t, client);
  await mend();
  t.is((await again.cli(["reload"])).code, 0);
  t.deepEqual(await tokens(client), { a: "new-a", b: "new-b", z: "old-z" });
});

test("an export that no frame could hold goes through the socket in parts", async (t) => {
  const daemon = await startDaemon(t);
  const record = { secrets: { token: "x".repeat(45_000) }, binding: "", tokens: [] };
  const names = Array.from({ length: 300 }, (_, index) => `n${index}`);
  const credentials = names.map((name) => ({ name, file: TOML, record }));
  const about = { created: new Date(0).toISOString(), credentials: names.length };
  const sealed = await sealExport(WORD, about, Buffer.from(JSON.stringify({ credentials })));
  t.true(sealed.length > 12 * 1024 * 1024);
  const file = join(daemon.folder, "in");
  writeFileSync(file, sealed);
  const args = ["--passphrase-from", "-"];
  const imported = await daemon.cli(["vault", "import", file, ...args], { input: WORD });
  t.is(imported.code, 0, imported.stderr.slice(0, 500));
  t.regex(imported.stdout, /Imported 300 credentials/);
  // Bound to something else: nothing of it is sent anywhere before a person has looked.
  t.regex(imported.stderr, /warning: n0: its file, or config\.toml, was edited/);
  const out = join(daemon.folder, "out");
  t.is((await daemon.cli(["vault", "export", out, ...args], { input: WORD })).code, 0);
  t.true(readFileSync(out).length > 12 * 1024 * 1024);
});

/** Has the token renewed all the time, whatever becomes of the daemon. */
function asking(t: ExecutionContext, client: Client, credential: string) {
  let going = true;
  t.teardown(() => {
    going = false;
  });
  let answers = 0;
  const loop = (async () => {
    while (going) {
      const got = await client.getToken({ credential, forceRefresh: true }).catch(() => undefined);
      if (got) answers++;
      await sleep(got ? 5 : 20);
    }
  })();
  return {
    async end() {
      going = false;
      await loop;
      return answers;
    },
  };
}

test("killed at random while the vault gets new keys and five clients ask: no session is lost", async (t) => {
  // The grace is for the one window that no client can close: a kill between request and disk.
  const issuer = await RotatingIssuer.start({ lifetime: 3_600_000, grace: 60_000 });
  t.teardown(() => issuer.close());
  const home = makeHome(t);
  let daemon = await startCrashableDaemon(t, home);
  const admin = clientOf(t, home);
  const families: Family[] = [];
  for (let number = 0; number < 5; number++) {
    const family = issuer.signIn(`f${number}`);
    families.push(family);
    await admin.request("credentials/add", { name: family.name, ...issuer.credential(family) });
  }
  const askers = families.map(({ name }) => asking(t, clientOf(t, home), name));
  let rekeyed = 0;
  const KILLS = 9;
  for (let kill = 1; kill <= KILLS; kill++) {
    const done = admin.request("vault/rekey", { to: "file" }).then(
      () => rekeyed++,
      () => undefined,
    );
    if (kill % 3 === 0) await done;
    else await sleep(Math.random() * 60);
    await daemon.kill();
    await done;
    daemon = await startCrashableDaemon(t, home);
    for (const { name } of families) {
      t.truthy((await admin.getToken({ credential: name, timeoutMs: 20_000 })).accessToken, name);
    }
  }
  const { vaultKey } = await admin.request("status", {});
  t.is(vaultKey, "file");
  const answers = await Promise.all(askers.map((asker) => asker.end()));
  t.log(`${KILLS} kills, ${rekeyed} rekeys done, ${answers} answers`);
  t.true(rekeyed >= KILLS / 3);
  for (const { name, revoked } of families) t.false(revoked, name);
  await daemon.kill();
});
