/** A second user of the machine, who really is one, tries what the file system and the socket let him. */
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import {
  addMine,
  as,
  give,
  OWNER,
  ownersCli,
  ownersHome,
  STRANGER,
  startOwnersDaemon,
} from "../helpers/another-user.ts";
import { run } from "../helpers/child.ts";
import { type Daemon, MAIN, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { asRoot } from "../helpers/optional.ts";

const TOKEN = "practice-token-of-the-owner";

async function setup(t: ExecutionContext): Promise<Daemon> {
  const daemon = await startOwnersDaemon(t);
  await addMine(t, daemon, TOKEN);
  // What is above the owner's folders is open to everybody, as /run and /home are.
  chmodSync(daemon.folder, 0o755);
  return daemon;
}

/** Runs a script of the stranger's that prints JSON. */
async function stranger(t: ExecutionContext, source: string, ...more: string[]) {
  const [command = "", ...args] = [...as(STRANGER), process.execPath, "-e", source, ...more];
  const { stdout, stderr } = await run(t, command, args);
  t.is(stderr, "");
  return JSON.parse(stdout);
}

/** Tries to read, list, write, replace and remove each path; prints the errors. */
const TOUCH = `
  const fs = require("node:fs");
  const attempt = (work) => { try { work(); return "in"; } catch (error) { return error.code; } };
  const found = {};
  const own = require("node:os").tmpdir() + "/authd-linked-" + process.pid;
  for (const path of process.argv.slice(1)) found[path] = [
    attempt(() => fs.statSync(path).isDirectory() ? fs.readdirSync(path) : fs.readFileSync(path)),
    attempt(() => fs.statSync(path).isDirectory() ? fs.writeFileSync(path + "/x", "") : fs.appendFileSync(path, "x")),
    attempt(() => fs.renameSync(path, path + ".gone")),
    attempt(() => fs.symlinkSync("/etc/passwd", path + ".link")),
    attempt(() => { fs.linkSync(path, own); fs.unlinkSync(own); }),
    attempt(() => fs.chmodSync(path, 0o777)),
  ];
  console.log(JSON.stringify(found));`;

asRoot(
  "reading, replacing, linking or opening up any of the owner's files is refused",
  async (t) => {
    const daemon = await setup(t);
    const all = (folder: string): string[] =>
      readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? [path, ...all(path)] : [path];
      });
    const paths = all(daemon.folder);
    for (const name of ["lock", "key", "vault.json", "mine.toml", "authd.sock"]) {
      t.true(
        paths.some((path) => path.endsWith(`/${name}`)),
        name,
      );
    }
    const found: Record<string, string[]> = await stranger(t, TOUCH, ...paths);
    t.is(Object.keys(found).length, paths.length);
    for (const [path, results] of Object.entries(found)) {
      t.deepEqual(
        [...new Set(results)].filter((result) => !/^E(ACCES|PERM)$/.test(result)),
        [],
        path,
      );
    }
  },
);

asRoot("the umask and the folder above do not matter: nothing is open to others", async (t) => {
  const home = ownersHome(t);
  chmodSync(home.folder, 0o777);
  const through = ["sh", "-c", 'umask 0; exec "$@"', "sh"];
  const daemon = await startOwnersDaemon(t, { home, through });
  await addMine(t, daemon, TOKEN);
  const open = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      const here = statSync(path).mode & 0o077 ? [path] : [];
      return entry.isDirectory() ? [...here, ...open(path)] : here;
    });
  t.deepEqual(open(daemon.folder), []);
});

const CONNECT = `
  const socket = require("node:net").connect(process.argv[1]);
  let received = "";
  socket.on("data", (data) => { received += data; });
  socket.on("error", (error) => { received += error.code; });
  socket.on("close", () => console.log(JSON.stringify(received)));
  socket.end('{"jsonrpc":"2.0","id":1,"method":"getToken","params":{"credential":"mine"}}\\n');`;

asRoot(
  "connecting is refused by the folder, and by the daemon if the folder is opened",
  async (t) => {
    const daemon = await setup(t);
    t.is(await stranger(t, CONNECT, daemon.socket), "EACCES");
    chmodSync(join(daemon.socket, ".."), 0o777);
    chmodSync(daemon.socket, 0o666);
    // Cut off without a word: an answer, if there is one, holds no token.
    t.notRegex(await stranger(t, CONNECT, daemon.socket), /practice|result/);
    t.is(
      (await ownersCli(t, daemon, ["get", "mine"])).stdout,
      `${TOKEN}\n`,
      "the owner's side goes on",
    );
    const { stderr } = await daemon.stop();
    t.regex(stderr, new RegExp(`User ${STRANGER} .* may not use the authd of user ${OWNER}`));
  },
);

asRoot("signals, and a pid from the lock file, are worth nothing to him", async (t) => {
  const daemon = await setup(t);
  const source = `
    const found = [];
    for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGKILL"])
      try { process.kill(Number(process.argv[1]), signal); found.push("in"); } catch (error) { found.push(error.code); }
    try { require("node:fs").readFileSync("/proc/" + process.argv[1] + "/environ"); found.push("in") } catch (error) { found.push(error.code); }
    console.log(JSON.stringify(found));`;
  const found: string[] = await stranger(t, source, String(daemon.pid));
  t.deepEqual(found, ["EPERM", "EPERM", "EPERM", "EPERM", "EACCES"]);
  t.is((await ownersCli(t, daemon, ["get", "mine"])).code, 0);
});

asRoot("a daemon of his own in the owner's places is refused, and changes nothing", async (t) => {
  const daemon = await setup(t);
  await daemon.stop();
  const [command = "", ...args] = [...as(STRANGER), process.execPath, MAIN, "serve"];
  const { code, stdout } = await run(t, command, args, { env: daemon.env });
  t.not(code, 0);
  t.is(stdout, "");
  const again = await startOwnersDaemon(t, { home: daemon });
  t.is((await ownersCli(t, again, ["get", "mine"])).stdout, `${TOKEN}\n`);
});

asRoot("a state folder of his, lent to another, holds no vault of theirs", async (t) => {
  // Even root: in a folder of his he could replace what root trusts.
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "vault"), { mode: 0o777 });
  chownSync(join(folder, "vault"), STRANGER, STRANGER);
  const error = await t.throwsAsync(startDaemon(t, { env: { AUTHD_STATE_DIR: folder } }));
  t.regex(error?.message ?? "", new RegExp(`vault.*belongs to another user \\(uid ${STRANGER}\\)`));
  t.deepEqual(readdirSync(join(folder, "vault")), []);
  give(folder, STRANGER);
});
