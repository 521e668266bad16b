import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { temporaryFolder } from "../../helpers/folder.ts";
import { programs, startSession } from "../../helpers/keyring.ts";
import { absent, missing } from "../../helpers/optional.ts";
import { openSample } from "../../helpers/vault.ts";

const { PATH } = process.env;
const missingHere = absent(...programs);
const durable = { durable: true };

/** A test that needs a real keyring; where there is none it says so instead. */
function withKeyring(title: string, run: (t: ExecutionContext) => Promise<void>) {
  test(title, async (t) => {
    if (missingHere.length === 0) return run(t);
    missing(t, `install dbus and gnome-keyring (missing: ${missingHere.join(", ")})`);
  });
}

withKeyring("a real gnome-keyring keeps the key of a new vault", async (t) => {
  const { env, startKeyring } = await startSession(t);
  await startKeyring("a password");
  const dir = temporaryFolder(t);
  const { vault, log } = await openSample(t, dir, { keySource: "auto", env });
  t.is(vault.locked, undefined);
  t.is(vault.keySource, "keychain");
  t.deepEqual(log, [`New vault in ${dir}; the source of its key is: keychain`]);
  await vault.write("labelf", { secret: "one" }, durable);
  await vault.close();
  t.deepEqual(readdirSync(dir).sort(), ["labelf.sealed", "lock", "manifest", "vault.json"]);

  const { vault: other } = await openSample(t, temporaryFolder(t), { keySource: "keychain", env });
  t.is(other.locked, undefined);
  const { vault: again } = await openSample(t, dir, { keySource: "keychain", env });
  t.deepEqual(again.read("labelf"), { secret: "one" });
});

withKeyring("a vault whose keychain is away or locked is locked until it is back", async (t) => {
  const { env, startKeyring } = await startSession(t);
  const first = await startKeyring("a password");
  const dir = temporaryFolder(t);
  const made = await openSample(t, dir, { keySource: "keychain", env });
  await made.vault.write("labelf", { secret: "one" }, durable);
  await made.vault.close();
  first.child.kill();
  await first.ended;

  const { vault } = await openSample(t, dir, { keySource: "auto", env: { PATH } });
  t.is(vault.keySource, "keychain");
  t.regex(vault.locked!, /The keychain can't be reached/);
  t.throws(() => vault.read("labelf"), { message: vault.locked! });
  await vault.close();
  const second = await startKeyring();
  const { vault: early } = await openSample(t, dir, { env, keySource: "auto" });
  t.regex(early.locked!, /The keychain can't be reached/);
  second.child.kill();
  await second.ended;
  await startKeyring("a password");
  t.true(await early.unlock());
  t.deepEqual(early.read("labelf"), { secret: "one" });
});

withKeyring("a keychain without this vault's entry never gets a new one", async (t) => {
  const { env, startKeyring } = await startSession(t);
  await startKeyring("a password");
  const dir = temporaryFolder(t);
  await (await openSample(t, dir, { keySource: "keychain", env })).vault.close();
  const { keyId } = JSON.parse(readFileSync(join(dir, "vault.json"), "utf8"));

  const other = await startSession(t);
  await other.startKeyring("a password");
  for (const _ of ["first", "second"]) {
    const { vault } = await openSample(t, dir, { keySource: "keychain", env: other.env });
    t.regex(vault.locked!, new RegExp(`no key for this vault .*account ${keyId}`));
    await vault.close();
  }
});

test("without a keychain, auto takes the file and says so", async (t) => {
  const dir = temporaryFolder(t);
  const { vault, log } = await openSample(t, dir, { keySource: "auto", env: { PATH } });
  t.is(vault.keySource, "file");
  t.is(vault.locked, undefined);
  t.true(existsSync(join(dir, "key")));
  t.regex(log[0]!, /key goes into a file beside it\. The keychain can't be reached/);
  t.is(log[1], `New vault in ${dir}; the source of its key is: file`);
});

test("without a keychain, a new vault that must use it is locked and not made", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await openSample(t, dir, { keySource: "keychain", env: { PATH } });
  t.is(vault.keySource, "keychain");
  t.regex(vault.locked!, /The keychain can't be reached/);
  t.deepEqual(readdirSync(dir), ["lock"]);
});

test("a keychain that never answers is cut off", async (t) => {
  const folder = temporaryFolder(t);
  const callers = new Set<Socket>();
  const bus = createServer((socket) => callers.add(socket));
  await new Promise<void>((done) => void bus.listen(join(folder, "bus"), done));
  t.teardown(() => bus.close());
  const hungUp = new Promise<void>((done) => {
    bus.on("connection", (socket) =>
      socket
        .resume()
        .on("close", () => done())
        .on("error", done),
    );
  });
  const env = { PATH, DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(folder, "bus")}` };
  const { vault, log } = await openSample(t, join(folder, "vault"), { keySource: "auto", env });
  t.is(vault.keySource, "file");
  t.regex(log[0]!, /it did not answer within 3 s/);
  t.is(callers.size, 1);
  // The process that asked is gone, not merely given up.
  await hungUp;
});
