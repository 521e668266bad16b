import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import type { AuthdError } from "../../src/errors.ts";
import type { KeySource } from "../../src/vault/vault.ts";
import { run } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { programs, startSession } from "../helpers/keyring.ts";
import { absent, missing, onUnix } from "../helpers/optional.ts";
import { openSample } from "../helpers/vault.ts";

const REKEYER = fileURLToPath(new URL("../helpers/vault-rekeyer.js", import.meta.url));
const durable = { durable: true };

interface Place {
  dir: string;
  env: NodeJS.ProcessEnv;
}

/** A vault's folder, and the keys that systemd would hand over. */
function place(t: ExecutionContext, more: NodeJS.ProcessEnv = {}): Place {
  const folder = temporaryFolder(t);
  const credentials = join(folder, "credentials");
  mkdirSync(credentials);
  for (const name of ["authd-vault-key", "authd-vault-key-new"]) {
    writeFileSync(join(credentials, name), randomBytes(32));
  }
  const { PATH } = process.env;
  return { dir: join(folder, "vault"), env: { PATH, CREDENTIALS_DIRECTORY: credentials, ...more } };
}

function open(
  t: ExecutionContext,
  { dir, env }: Place,
  keySource: KeySource | "auto" = "auto",
  word = "",
) {
  return openSample(t, dir, { keySource, env, passphrase: async () => word });
}

/** What is left of a rekey, or of its keys. */
const extras = (dir: string) =>
  readdirSync(dir).filter((file) => !/\.sealed$|^(lock|vault\.json|manifest)$/.test(file));

const ways = [
  ["file", "file"],
  ["file", "passphrase"],
  ["passphrase", "passphrase"],
  ["passphrase", "systemd-credential"],
  ["systemd-credential", "systemd-credential"],
  ["systemd-credential", "file"],
] as const;

for (const [from, to] of ways)
  test(`from ${from} to ${to}: everything opens with the new key, nothing with the old`, async (t) => {
    const at = place(t);
    const { vault } = await open(t, at, from, "the first words");
    await vault.write("labelf", { secret: "one" }, durable);
    await vault.write("zebbra", { secret: "two" }, durable);
    const before = readFileSync(join(at.dir, "labelf.sealed"), "latin1");
    t.deepEqual(await vault.rekey(to, "the second words"), { sealed: 2, damaged: [] });
    t.is(vault.keySource, to);
    t.deepEqual(vault.read("labelf"), { secret: "one" });
    await vault.write("zebbra", { secret: "three" }, durable);
    await vault.close();
    t.deepEqual(extras(at.dir), to === "file" ? ["key"] : []);
    t.not(readFileSync(join(at.dir, "labelf.sealed"), "latin1"), before);

    const again = await open(t, at, to, "the second words");
    t.is(again.vault.locked, undefined);
    t.deepEqual(again.vault.read("labelf"), { secret: "one" });
    t.deepEqual(again.vault.read("zebbra"), { secret: "three" });
    await again.vault.close();
    if (to !== "passphrase") return;
    t.regex((await open(t, at, to, "the first words")).vault.locked!, /passphrase is wrong/);
  });

test("a keychain's old entry is removed at last, and a new one that never counted too", async (t) => {
  const gone = absent(...programs);
  if (gone.length > 0)
    return missing(t, `install dbus and gnome-keyring (missing: ${gone.join(", ")})`);
  const { env, startKeyring } = await startSession(t);
  await startKeyring("a password");
  const at = place(t, env);
  const { vault } = await open(t, at, "keychain");
  await vault.write("labelf", { secret: "one" }, durable);
  const keyId = () => JSON.parse(readFileSync(join(at.dir, "vault.json"), "utf8")).keyId as string;
  const ids = [keyId()];
  for (const to of ["keychain", "file", "keychain"] as const) {
    await vault.rekey(to);
    ids.push(keyId());
  }
  await vault.close();
  // Killed before it counted: the entry is there, and nobody needs it.
  const left = await run(
    t,
    process.execPath,
    [REKEYER, at.dir, "keychain", "", "open rekey.staged/labelf.sealed"],
    { env: at.env },
  );
  t.is(left.signal, "SIGKILL");
  const note = JSON.parse(readFileSync(join(at.dir, "rekey.staged/note.json"), "utf8"));
  const again = await open(t, at);
  t.truthy(again.vault.read("labelf"));
  await again.vault.close();
  t.deepEqual(extras(at.dir), []);
  const { Entry } = await import("@napi-rs/keyring");
  Object.assign(process.env, { DBUS_SESSION_BUS_ADDRESS: env.DBUS_SESSION_BUS_ADDRESS });
  const has = (id: string) =>
    new Entry("authd", id, { linux: { store: "secret-service" } }).getPassword() !== null;
  t.deepEqual([...ids, note.to.keyId].map(has), [false, false, false, true, false]);
});

test("a damaged record stays as it is and is named; the others get the new key", async (t) => {
  const at = place(t);
  const { vault } = await open(t, at, "file");
  await vault.write("labelf", { secret: "one" }, durable);
  await vault.write("zebbra", { secret: "two" }, durable);
  const file = join(at.dir, "zebbra.sealed");
  const damaged = readFileSync(file).fill(7, 100);
  writeFileSync(file, damaged);
  t.deepEqual(await vault.rekey("file"), { sealed: 1, damaged: ["zebbra"] });
  t.deepEqual(readFileSync(file), damaged);
  t.deepEqual(vault.read("labelf"), { secret: "one" });
  t.throws(() => vault.read("zebbra"), { message: /another vault's key|cut short or altered/ });
});

onUnix(
  "a pipe, or a link, in a record's place is not waited for, nor followed: the key stays",
  async (t) => {
    const at = place(t);
    const { vault } = await open(t, at, "file");
    await vault.write("labelf", { secret: "one" }, durable);
    const there = join(at.dir, "zebbra.sealed");
    execFileSync("mkfifo", [there]);
    await t.throwsAsync(vault.rekey("file"), {
      message: /zebbra\.sealed can't be read: it is no ord/,
    });
    rmSync(there);
    symlinkSync(join(at.dir, "labelf.sealed"), there);
    await t.throwsAsync(vault.rekey("file"), { message: /can't be read: a link is in its place/ });
    rmSync(there);
    t.deepEqual(await vault.rekey("file"), { sealed: 1, damaged: [] });
  },
);

test("what can't be told from sound keeps the vault's key from going", async (t) => {
  const at = place(t);
  const { vault } = await open(t, at, "file");
  await vault.write("labelf", { secret: "one" }, durable);
  const before = readFileSync(join(at.dir, "vault.json"), "utf8");
  const newer = join(at.dir, "newer.sealed");
  writeFileSync(newer, '{"authd":"sealed","format":2,"alg":"X","keyId":"y"}\nabc');
  const error = await t.throwsAsync<AuthdError>(vault.rekey("file"), { message: /newer authd/ });
  t.is(error?.reason, "internal");
  rmSync(newer);
  mkdirSync(newer);
  await t.throwsAsync(vault.rekey("file"), {
    message: /keeps its key: .*newer\.sealed can't be read/,
  });
  rmSync(newer, { recursive: true });
  await t.throwsAsync(vault.rekey("keychain"), { message: /keychain can't be reached/ });
  t.is(readFileSync(join(at.dir, "vault.json"), "utf8"), before);
  t.deepEqual(extras(at.dir), ["key"]);
  t.deepEqual(vault.read("labelf"), { secret: "one" });
  t.deepEqual(await vault.rekey("file"), { sealed: 1, damaged: [] });
});

test("systemd's key that the vault has already is refused", async (t) => {
  const at = place(t);
  const { vault } = await open(t, at, "systemd-credential");
  rmSync(join(at.env.CREDENTIALS_DIRECTORY!, "authd-vault-key-new"));
  await t.throwsAsync(vault.rekey("systemd-credential"), { message: /authd-vault-key-new/ });
  t.is((await vault.rekey("file")).sealed, 0);
});

test("of many records that change all the time, the last change is kept", async (t) => {
  const at = place(t);
  const { vault } = await open(t, at, "file");
  const names = Array.from({ length: 40 }, (_, index) => `n${index}`);
  let going = true;
  const last = new Map<string, string>();
  const changing = names.map(async (name, index) => {
    for (let version = 0; going; version++) {
      if (index % 10 === 0 && version % 3 === 2) {
        await vault.remove(name);
        last.delete(name);
      } else {
        await vault.write(name, { secret: `${version}` }, durable);
        last.set(name, `${version}`);
      }
    }
  });
  await vault.rekey("file");
  await vault.rekey("systemd-credential");
  going = false;
  await Promise.all(changing);
  await vault.close();
  const again = await open(t, at);
  t.deepEqual(again.vault.names(), [...last.keys()].sort());
  for (const [name, secret] of last) t.deepEqual(again.vault.read(name), { secret });
});

test("a vault that is closed in the middle of it keeps its key", async (t) => {
  const at = place(t);
  const { vault } = await open(t, at, "file");
  await Promise.all(
    Array.from({ length: 60 }, (_, index) => vault.write(`n${index}`, { secret: "x" }, durable)),
  );
  const before = readFileSync(join(at.dir, "vault.json"), "utf8");
  const rekeyed = t.throwsAsync(vault.rekey("file"), { message: /stopping/ });
  await new Promise((resume) => setTimeout(resume, 5));
  await vault.close();
  await rekeyed;
  t.is(readFileSync(join(at.dir, "vault.json"), "utf8"), before);
  t.deepEqual(extras(at.dir), ["key"]);
});

/** One rekey that is killed before its change STEP to the disk; true if it was done before that. */
async function killedAt(t: ExecutionContext, sample: Place, to: KeySource, step: number) {
  const folder = temporaryFolder(t);
  const at = { dir: join(folder, "vault"), env: sample.env };
  cpSync(sample.dir, at.dir, { recursive: true });
  const { stdout, stderr, signal } = await run(
    t,
    process.execPath,
    [REKEYER, at.dir, to, "word", `${step}`],
    {
      env: at.env,
    },
  );
  const isDone = stdout.includes("done after");
  t.is(signal, isDone ? null : "SIGKILL", stderr);
  const written = new Map<string, number>();
  for (const [, name = "", version] of stdout.matchAll(/^(\w+)=(\d+)$/gm))
    written.set(name, Number(version));
  for (const word of ["word", "new word"]) {
    const { vault, log } = await open(t, at, "auto", word);
    if (word === "word" && /passphrase is wrong/.test(vault.locked ?? "")) {
      await vault.close();
      continue;
    }
    t.is(vault.locked, undefined, `step ${step}`);
    t.is(vault.names().length, 3);
    for (const name of vault.names()) {
      const { version } = vault.read(name) as unknown as { version: number };
      t.true(version >= (written.get(name) ?? 0), `step ${step}: ${name}`);
    }
    await vault.close();
    t.deepEqual(extras(at.dir), vault.keySource === "file" ? ["key"] : [], `step ${step}: ${log}`);
    break;
  }
  rmSync(folder, { recursive: true });
  return isDone;
}

for (const [from, to, stride] of [
  ["file", "file", 9],
  ["file", "systemd-credential", 17],
  ["systemd-credential", "file", 17],
  ["file", "passphrase", 97],
] as const)
  test(`killed before each ${stride}th change to the disk, from ${from} to ${to}: the old key or the new, and no write is lost`, async (t) => {
    const at = place(t);
    const { vault } = await open(t, at, from, "word");
    for (const name of ["labelf", "listings", "zebbra"])
      await vault.write(name, { secret: "one", version: 0 } as never, durable);
    await vault.close();
    // Each run begins elsewhere, so that in the end none is left out.
    let step = 1 + Math.floor(Math.random() * stride);
    while (!(await killedAt(t, at, to, step))) step += stride;
    t.log(`killed ${Math.floor((step - 1) / stride)} times`);
    t.true(step > 20);
    t.false(existsSync(join(at.dir, "rekey.staged")));
  });
