/** Somebody was there first: links, pipes and folders in the places that the daemon is about to use. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { ExecutionContext } from "ava";
import { give, STRANGER } from "../helpers/another-user.ts";
import { type Home, makeHome, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { asRoot, onUnix } from "../helpers/optional.ts";

/** A start that must not succeed; what it said. */
async function refused(t: ExecutionContext, home: Home): Promise<string> {
  const error = await t.throwsAsync(startDaemon(t, { home }));
  t.regex(error?.message ?? "", /^ended with [1-7] /);
  return error?.message ?? "";
}

function precious(t: ExecutionContext): string {
  const file = join(temporaryFolder(t), "precious");
  writeFileSync(file, "precious", { mode: 0o644 });
  return file;
}

/** The places, and what a start says of a link there; undefined: it starts, and lets the link be. */
const LINKED: readonly [place: string, says: RegExp | undefined][] = [
  ["socket", /is not a socket/],
  ["state/vault/lock", /lock .* can't be opened/],
  ["state/vault/vault.json", undefined],
  ["state/vault/mine.sealed", undefined],
];

onUnix("links in the places of socket, lock and vault lead to nothing being written", async (t) => {
  for (const [place, says] of LINKED) {
    const home = makeHome(t);
    const target = precious(t);
    const path = place === "socket" ? home.socket : join(home.folder, place);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    symlinkSync(target, path);
    if (says) t.regex(await refused(t, home), says, place);
    else await (await startDaemon(t, { home })).stop();
    t.is(readFileSync(target, "utf8"), "precious", place);
    t.is(lstatSync(target).mode & 0o777, 0o644, place);
    t.true(lstatSync(path).isSymbolicLink(), place);
  }
});

onUnix("named pipes in the places of key, header and settings hang nobody", async (t) => {
  for (const place of ["state/vault/key", "state/vault/vault.json", "config/config.toml"]) {
    const home = makeHome(t);
    const path = join(home.folder, place);
    if (place.endsWith("key")) {
      await (await startDaemon(t, { home })).stop();
      unlinkSync(path);
    }
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    execFileSync("mkfifo", ["-m", "600", path]);
    // Without its key or header the vault is locked, without settings nothing starts. Nothing waits.
    if (place.startsWith("state")) {
      const daemon = await startDaemon(t, { home });
      t.regex((await daemon.stop()).stderr, /vault is locked: .*no ordinary file/);
    } else await refused(t, home);
    t.true(lstatSync(path).isFIFO(), place);
  }
});

asRoot("another user's links and folders on the way are refused, and stay empty", async (t) => {
  const his = temporaryFolder(t);
  chmodSync(his, 0o777);
  give(his, STRANGER);
  const [link, folder] = [join(his, "link"), join(his, "folder")];
  const real = temporaryFolder(t);
  symlinkSync(real, link);
  lchownSync(link, STRANGER, STRANGER);
  mkdirSync(folder);
  give(folder, STRANGER);
  for (const [env, says] of [
    [{ AUTHD_SOCKET: join(link, "authd.sock") }, /is a link that belongs to user 64122/],
    [{ AUTHD_SOCKET: join(folder, "authd.sock") }, /belongs to user 64122/],
    [{ AUTHD_CONFIG_DIR: folder }, /belongs to another user \(uid 64122\)/],
  ] as const) {
    t.regex(await refused(t, makeHome(t, { env })), says);
  }
  t.deepEqual(readdirSync(real), []);
  t.deepEqual(readdirSync(folder), []);
});

asRoot(
  "in a folder like /tmp a squatted name is refused, and a taken one can't be taken over",
  async (t) => {
    const shared = temporaryFolder(t);
    chmodSync(shared, 0o1777);
    for (const name of ["authd", "state", "config"]) {
      mkdirSync(join(shared, name), { mode: 0o777 });
      give(join(shared, name), STRANGER);
    }
    mkdirSync(join(shared, "state", "vault"), { mode: 0o777 });
    give(join(shared, "state"), STRANGER);
    const at = (name: string) => join(shared, name);
    for (const env of [
      { AUTHD_SOCKET: join(at("authd"), "authd.sock") },
      { AUTHD_STATE_DIR: at("state") },
      { AUTHD_CONFIG_DIR: at("config") },
    ]) {
      t.regex(await refused(t, makeHome(t, { env })), /belongs to (another )?user/);
    }
    // The socket itself in a shared folder, sticky or not: whoever is first has the name.
    const home = makeHome(t, { env: { AUTHD_SOCKET: join(shared, "authd.sock") } });
    t.regex(await refused(t, home), /Others may write to the socket's folder/);
  },
);

asRoot(
  "a folder that is exchanged under a running daemon is noticed, and not written to",
  async (t) => {
    const daemon = await startDaemon(t);
    const secrets = { token: "practice-first" };
    const credential = { grant: "static", settings: {}, secrets };
    t.is((await daemon.add("mine", { credential })).code, 0);
    const vault = join(daemon.stateDir, "vault");
    renameSync(vault, `${vault}.mine`);
    mkdirSync(vault, { mode: 0o777 });
    give(vault, STRANGER);
    const said = await daemon.add("other", { credential });
    t.not(said.code, 0);
    t.regex(said.stderr, /belongs to another user/);
    t.deepEqual(readdirSync(vault), []);
    t.is((await daemon.cli(["get", "mine"])).stdout, "practice-first\n");
    t.true(existsSync(join(`${vault}.mine`, "mine.sealed")));
  },
);
