/** Older copies of sealed files, put back: what a person has changed since is not undone by them. */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import type { AuthdError } from "../../src/errors.ts";
import type { Rebuilt } from "../../src/vault/index.ts";
import { run } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { openSample, type Sample } from "../helpers/vault.ts";

const CHANGER = fileURLToPath(new URL("../helpers/vault-changer.js", import.meta.url));
const OLDER = { message: /is older than the vault knows/ };
const change = { durable: true, isChange: true };
const saved = { durable: false };

/** A vault that tells of a manifest that it made anew; content that begins with `guarded` is guarded. */
async function open(t: ExecutionContext, dir: string) {
  const told: Rebuilt[] = [];
  const opened = await openSample(t, dir, {
    isGuarded: ({ secret }: Sample) => secret.startsWith("guarded"),
    onRebuilt: (one) => void told.push(one),
  });
  return { ...opened, told };
}

/** Keeps a copy of a file of the vault, and puts it back. */
function copyOf(dir: string, file: string) {
  const kept = readFileSync(join(dir, file));
  return () => writeFileSync(join(dir, file), kept, { mode: 0o600 });
}

test("a copy from before a person's change is refused, while the vault is open and ever after", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await open(t, dir);
  await vault.write("labelf", { secret: "one" }, change);
  const putBack = copyOf(dir, "labelf.sealed");
  await vault.write("labelf", { secret: "two" }, change);
  const newest = copyOf(dir, "labelf.sealed");
  putBack();
  const error = t.throws<AuthdError>(() => vault.read("labelf"), OLDER);
  t.is(error?.reason, "credential_damaged");
  t.regex(error!.message, /authd add labelf --replace/);
  await vault.close();

  const again = await open(t, dir);
  t.throws(() => again.vault.read("labelf"), OLDER);
  newest();
  t.deepEqual(again.vault.read("labelf"), { secret: "two" });
  t.deepEqual(again.told, []);
});

test("tokens that are saved leave the generation as it is, and the manifest alone", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await open(t, dir);
  await vault.write("labelf", { secret: "one" }, change);
  const manifest = () => statSync(join(dir, "manifest"), { bigint: true });
  const { ino, mtimeNs } = manifest();
  const putBack = copyOf(dir, "labelf.sealed");
  for (let turn = 0; turn < 20; turn++) await vault.write("labelf", { secret: `${turn}` }, saved);
  await vault.ensure();
  t.like(manifest(), { ino, mtimeNs });
  putBack();
  t.deepEqual(vault.read("labelf"), { secret: "one" });
});

test("what is in memory is written over an older copy; a person's change keeps that copy beside", async (t) => {
  const dir = temporaryFolder(t);
  const { vault, log } = await open(t, dir);
  await vault.write("labelf", { secret: "one" }, change);
  const putBack = copyOf(dir, "labelf.sealed");
  await vault.write("labelf", { secret: "two" }, change);
  putBack();
  await vault.write("labelf", { secret: "two, with a token" }, saved);
  t.deepEqual(vault.read("labelf"), { secret: "two, with a token" });
  t.regex(log.at(-1)!, /was an older copy; the newest is written/);
  putBack();
  await vault.write("labelf", { secret: "three" }, { ...change, replaceDamaged: true });
  t.deepEqual(vault.read("labelf"), { secret: "three" });
  t.is(readdirSync(dir).filter((file) => file.startsWith("labelf.damaged-")).length, 1);
});

test("what was removed stays removed; added again it has the next number", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await open(t, dir);
  await vault.write("labelf", { secret: "guarded" }, change);
  const putBack = copyOf(dir, "labelf.sealed");
  t.true(vault.knows("labelf"));
  await vault.remove("labelf");
  t.false(vault.knows("labelf"));
  t.false(vault.isGuarded("labelf"));
  putBack();
  t.throws(() => vault.read("labelf"), OLDER);
  await vault.close();
  const again = await open(t, dir);
  t.throws(() => again.vault.read("labelf"), OLDER);
  await again.vault.write("labelf", { secret: "new" }, { ...change, replaceDamaged: true });
  putBack();
  t.throws(() => again.vault.read("labelf"), OLDER);
});

test("whether a record is guarded is known without its file", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await open(t, dir);
  await vault.write("labelf", { secret: "guarded" }, change);
  await vault.write("zebbra", { secret: "open" }, change);
  for (const name of ["labelf", "zebbra"]) rmSync(join(dir, `${name}.sealed`));
  t.true(vault.knows("zebbra"));
  t.false(vault.isGuarded("zebbra"));
  t.true(vault.isGuarded("labelf"));
  // A record without the secrets that were lost says nothing of the one before.
  await vault.write("labelf", { secret: "none" }, saved);
  t.is(vault.anyGuarded(), "labelf");
  await vault.close();
  const again = await open(t, dir);
  t.is(again.vault.anyGuarded(), "labelf");
  await again.vault.write("labelf", { secret: "open" }, change);
  t.is(again.vault.anyGuarded(), undefined);
});

test("a vault from before there were generations opens as it is, and gets a manifest without an alarm", async (t) => {
  const dir = temporaryFolder(t);
  const first = await open(t, dir);
  await first.vault.write("labelf", { secret: "guarded" }, saved);
  await first.vault.close();
  rmSync(join(dir, "manifest"));
  t.false(readFileSync(join(dir, "labelf.sealed"), "latin1").includes("generation"));

  const { vault, told, log } = await open(t, dir);
  t.deepEqual(vault.read("labelf"), { secret: "guarded" });
  t.true(vault.isGuarded("labelf"));
  await vault.ensure();
  t.deepEqual(
    told.map(({ isSuspect }) => isSuspect),
    [false],
  );
  t.regex(log.at(-1)!, /has a manifest now/);
  t.true(existsSync(join(dir, "manifest")));
  await vault.close();
  t.deepEqual((await open(t, dir)).told, []);
});

test("a new vault says nothing of a manifest", async (t) => {
  const { vault, told } = await open(t, temporaryFolder(t));
  await vault.ensure();
  await vault.write("labelf", { secret: "one" }, change);
  t.deepEqual(told, []);
});

for (const [what, spoil, says] of [
  ["lost", rmSync, /manifest is missing/],
  ["damaged", (file: string) => writeFileSync(file, "{}"), /manifest could not be read/],
] as const)
  test(`a manifest that is ${what} is made again from the records, and told of`, async (t) => {
    const dir = temporaryFolder(t);
    const first = await open(t, dir);
    await first.vault.write("labelf", { secret: "one" }, change);
    const putBack = copyOf(dir, "labelf.sealed");
    await first.vault.write("labelf", { secret: "guarded two" }, change);
    await first.vault.close();
    spoil(join(dir, "manifest"));
    const { vault, told, log } = await open(t, dir);
    t.is(vault.anyGuarded(), "labelf");
    t.is(told.length, 1);
    t.true(told[0]?.isSuspect);
    t.regex(told[0]!.message, says);
    t.true(log.includes(told[0]!.message));
    putBack();
    t.throws(() => vault.read("labelf"), OLDER);
    await vault.close();
    const kept = readdirSync(dir).filter((file) => file.startsWith("manifest.damaged-"));
    t.is(kept.length, what === "damaged" ? 1 : 0);
    const again = await open(t, dir);
    t.deepEqual(again.told, []);
    t.throws(() => again.vault.read("labelf"), OLDER);
  });

test("a rekey takes the generations along; an older copy does not get the new key", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await open(t, dir);
  await vault.write("labelf", { secret: "one" }, change);
  await vault.write("zebbra", { secret: "one" }, change);
  const older = copyOf(dir, "zebbra.sealed");
  await vault.write("zebbra", { secret: "two" }, change);
  await vault.remove("gone");
  older();
  t.deepEqual(await vault.rekey("file"), { sealed: 1, damaged: ["zebbra"] });
  const putBack = copyOf(dir, "labelf.sealed");
  await vault.write("labelf", { secret: "two" }, change);
  await vault.close();
  const again = await open(t, dir);
  t.deepEqual(again.told, []);
  t.deepEqual(again.vault.read("labelf"), { secret: "two" });
  t.throws(() => again.vault.read("zebbra"), { message: /another vault's key/ });
  putBack();
  t.throws(() => again.vault.read("labelf"), OLDER);
});

test("what was begun as a whole and carried out is not carried out again from a copy", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await open(t, dir);
  await vault.journal.write({ credentials: [1] });
  t.deepEqual(vault.journal.read(), { credentials: [1] });
  const putBack = copyOf(dir, "intent");
  await vault.journal.remove();
  t.is(vault.journal.read(), undefined);
  putBack();
  const refused = { message: /copy of one that was carried out before/ };
  t.throws(() => vault.journal.read(), refused);
  await vault.close();
  const again = await open(t, dir);
  t.throws(() => again.vault.journal.read(), refused);
  await again.vault.journal.write({ credentials: [2] });
  t.deepEqual(again.vault.journal.read(), { credentials: [2] });
});

test("a manifest that can't be written costs no change; it is told of, and written later", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await open(t, dir);
  await vault.write("labelf", { secret: "one" }, change);
  const putBack = copyOf(dir, "labelf.sealed");
  rmSync(join(dir, "manifest"));
  mkdirSync(join(dir, "manifest"));
  await vault.write("labelf", { secret: "two" }, change);
  t.deepEqual(vault.read("labelf"), { secret: "two" });
  await t.throwsAsync(vault.ensure(), { message: /manifest can't be written/ });
  rmdirSync(join(dir, "manifest"));
  await vault.ensure();
  await vault.close();
  putBack();
  const again = await open(t, dir);
  t.throws(() => again.vault.read("labelf"), OLDER);
});

test("a folder that was removed under the vault gets its manifest again", async (t) => {
  const dir = join(temporaryFolder(t), "vault");
  const { vault } = await open(t, dir);
  await vault.write("labelf", { secret: "one" }, change);
  const putBack = copyOf(dir, "labelf.sealed");
  await vault.write("labelf", { secret: "two" }, change);
  rmSync(dir, { recursive: true });
  t.true(await vault.ensure());
  await vault.close();
  putBack();
  const again = await open(t, dir);
  t.deepEqual(again.told, []);
  t.throws(() => again.vault.read("labelf"), OLDER);
});

test("two hundred changes at once share their manifests", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await open(t, dir);
  const names = Array.from({ length: 200 }, (_, index) => `n${index}`);
  await Promise.all(names.map((name) => vault.write(name, { secret: name }, change)));
  await vault.close();
  const again = await open(t, dir);
  t.true(names.every((name) => again.vault.knows(name)));
  t.deepEqual(again.told, []);
});

test("killed before every second change to the disk: what was done holds, what was begun is whole, and nothing is refused", async (t) => {
  const pristine = temporaryFolder(t);
  const first = await open(t, pristine);
  for (const name of ["labelf", "zebbra"]) await first.vault.write(name, { secret: "one" }, change);
  await first.vault.close();
  const order = { labelf: ["one", "two", "three"], zebbra: ["one", "", "again"] };
  let isDone = false;
  let kills = 0;
  // Each run begins elsewhere, so that in the end none is left out.
  for (let step = 1 + Math.floor(Math.random() * 2); !isDone; step += 2) {
    const dir = join(temporaryFolder(t), "vault");
    cpSync(pristine, dir, { recursive: true });
    const { stdout, signal, stderr } = await run(t, process.execPath, [CHANGER, dir, `${step}`]);
    isDone = stdout.includes("done");
    t.is(signal, isDone ? null : "SIGKILL", stderr);
    if (!isDone) kills++;
    const done = { labelf: "one", zebbra: "one" };
    for (const [, name, secret] of stdout.matchAll(/^(\w+)=(\w*)$/gm)) {
      done[name as keyof typeof done] = secret!;
    }
    const { vault, told } = await open(t, dir);
    for (const name of ["labelf", "zebbra"] as const) {
      const found = order[name].indexOf(vault.read(name)?.secret ?? "");
      const acknowledged = order[name].indexOf(done[name]);
      t.true([acknowledged, acknowledged + 1].includes(found), `step ${step}: ${name} ${found}`);
      if (found === 0 || done[name] === "one") continue;
      // Acknowledged is what no copy from before can undo.
      copyFileSync(join(pristine, `${name}.sealed`), join(dir, `${name}.sealed`));
      t.throws(() => vault.read(name), OLDER, `step ${step}: ${name}`);
    }
    await vault.close();
    t.deepEqual(told, []);
  }
  t.log(`killed ${kills} times`);
  t.true(kills > 15);
});
