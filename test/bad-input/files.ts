/** Files that were damaged, swapped, opened to others or can't be written: each costs what it must, no more. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type AuthdError, type Client, connect } from "../../src/client.ts";
import { run } from "../helpers/child.ts";
import {
  type Daemon,
  type DaemonOptions,
  type Home,
  MAIN,
  makeHome,
  startDaemon,
} from "../helpers/daemon.ts";

const SECRET = "practice-secret-that-nobody-may-see";
/** Root heeds the mode of its own files without these. */
const AS_ORDINARY_USER =
  process.geteuid?.() === 0
    ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    : [];

function clientOf(t: ExecutionContext, { socket }: { socket: string }): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

const add = (client: Client, name: string, token = SECRET, replace = false) =>
  client.request("credentials/add", { name, grant: "static", secrets: { token }, replace });
const tokenOf = async (client: Client, credential: string) =>
  (await client.getToken({ credential })).accessToken;
const stateOf = async (client: Client, credential: string) =>
  (await client.request("credentials/show", { credential })).state;
const failureOf = (promise: Promise<unknown>): Promise<AuthdError> =>
  promise.then(
    () => Promise.reject(new Error("it worked")),
    (error: AuthdError) => error,
  );

async function setup(t: ExecutionContext, options: DaemonOptions = {}) {
  const daemon = await startDaemon(t, options);
  const client = clientOf(t, daemon);
  await add(client, "demo");
  await add(client, "other", "practice-other");
  return { daemon, client };
}

const sealed = ({ stateDir }: Home, name: string) => join(stateDir, "vault", `${name}.sealed`);

const flip = (file: string) => {
  const bytes = readFileSync(file);
  bytes[bytes.length - 20]! ^= 1;
  writeFileSync(file, bytes);
};
for (const [what, damage] of [
  ["truncated", (home: Home) => truncateSync(sealed(home, "demo"), 60)],
  ["empty", (home: Home) => truncateSync(sealed(home, "demo"), 0)],
  ["bit-flipped", (home: Home) => flip(sealed(home, "demo"))],
  [
    "another credential's",
    (home: Home) => copyFileSync(sealed(home, "other"), sealed(home, "demo")),
  ],
] as const) {
  test.serial(
    `a vault file that is ${what} costs that one credential, and is left as it is`,
    async (t) => {
      const { daemon } = await setup(t);
      await daemon.stop();
      damage(daemon);
      const before = readFileSync(sealed(daemon, "demo"));
      const next = await startDaemon(t, { home: daemon });
      const client = clientOf(t, next);
      t.is(await tokenOf(client, "other"), "practice-other");
      t.is(await stateOf(client, "demo"), "damaged");
      const got = await next.cli(["get", "demo"]);
      t.is(got.code, 5, got.stderr);
      t.regex(got.stderr, /demo/);
      t.regex(got.stderr, /authd add demo|copy/);
      t.is((await next.cli(["refresh", "demo"])).code, 5);
      t.is((await next.cli(["trust", "demo"])).code, 5);
      const input = '{"token":"practice-new"}';
      const set = await next.cli(["set", "demo", "--secrets-from", "-"], { input });
      t.is(set.code, 5, set.stderr);
      t.deepEqual(readFileSync(sealed(next, "demo")), before, "untouched");

      await add(client, "demo", "practice-new", true);
      t.is(await tokenOf(client, "demo"), "practice-new");
      const kept = readdirSync(join(next.stateDir, "vault")).find((file) =>
        /^demo\.damaged/.test(file),
      );
      t.deepEqual(readFileSync(join(next.stateDir, "vault", kept ?? "")), before, "kept beside");
    },
  );
}

test.serial(
  "a vault file that is damaged while the daemon runs is noticed at the next start, not before",
  async (t) => {
    const { daemon: first } = await setup(t);
    // A new credential's first token is sealed after the answer: what is under way ends with the daemon.
    await first.stop();
    const daemon = await startDaemon(t, { home: first });
    const client = clientOf(t, daemon);
    truncateSync(sealed(daemon, "demo"), 10);
    t.is(await tokenOf(client, "demo"), SECRET);
    const { reason } = await failureOf(
      client.request("credentials/set", { credential: "demo", secrets: { token: "practice-new" } }),
    );
    t.is(reason, "credential_damaged");
    t.is(await tokenOf(client, "demo"), SECRET);
    t.is(readFileSync(sealed(daemon, "demo")).length, 10);
  },
);

test.serial(
  "a configuration folder that is read-only: what is there works, changes say why not and lose nothing",
  async (t) => {
    const { daemon, client } = await setup(t, { through: AS_ORDINARY_USER });
    const folder = join(daemon.configDir, "credentials");
    chmodSync(folder, 0o500);
    t.teardown(() => chmodSync(folder, 0o700));
    t.like(await client.request("reload", {}), { changed: [], errors: [] });
    const input = '{"token":"practice-new"}';
    for (const args of [
      ["add", "third", "--grant", "static", "--secrets-from", "-"],
      ["add", "demo", "--grant", "static", "--replace", "--secrets-from", "-"],
      ["set", "demo", "--set", "ttl=60"],
      ["remove", "other", "--yes"],
    ]) {
      const { code, stderr } = await daemon.cli(args, { input });
      t.is(code, 1, `${args.join(" ")}: ${stderr}`);
      t.regex(stderr, /credentials\/(demo|third|other)\.toml can't be/, args.join(" "));
      t.notRegex(stderr, /practice-new|report it as a bug/);
    }
    t.is(await tokenOf(client, "demo"), SECRET);
    t.is(await tokenOf(client, "other"), "practice-other");
    await daemon.stop();
    chmodSync(folder, 0o700);
    const next = clientOf(t, await startDaemon(t, { home: daemon }));
    t.is(await tokenOf(next, "demo"), SECRET);
  },
);

test.serial(
  "a vault folder that is read-only: what is there works, changes say why not and lose nothing",
  async (t) => {
    const { daemon, client } = await setup(t, { through: AS_ORDINARY_USER });
    const folder = join(daemon.stateDir, "vault");
    chmodSync(folder, 0o500);
    t.teardown(() => chmodSync(folder, 0o700));
    const input = '{"token":"practice-new"}';
    for (const args of [
      ["add", "third", "--grant", "static", "--secrets-from", "-"],
      ["add", "demo", "--grant", "static", "--replace", "--secrets-from", "-"],
      ["set", "demo", "--secrets-from", "-"],
      ["remove", "demo", "--yes"],
    ]) {
      const { code, stderr } = await daemon.cli(args, { input });
      t.is(code, 1, `${args.join(" ")}: ${stderr}`);
      t.regex(stderr, /permission denied/, args.join(" "));
      t.regex(stderr, /demo|third/);
      t.notRegex(stderr, /practice-new|report it as a bug/);
    }
    t.is(await tokenOf(client, "demo"), SECRET);
    t.true(existsSync(join(daemon.configDir, "credentials", "demo.toml")));
    t.false(existsSync(join(daemon.configDir, "credentials", "third.toml")));
  },
);

test.serial(
  "a configuration folder that others can write to stops a start, and closes everything at a reload",
  async (t) => {
    const { daemon, client } = await setup(t);
    chmodSync(daemon.configDir, 0o777);
    const { changed, errors } = await client.request("reload", {});
    t.deepEqual(changed.sort(), ["demo", "other"]);
    t.regex(errors[0]?.message ?? "", /can be changed by other users.*chmod go-w/);
    const { reason, message } = await failureOf(client.getToken({ credential: "demo" }));
    t.is(reason, "credential_damaged");
    t.regex(message, /can be changed by other users.*chmod go-w/);
    await daemon.stop();
    const refused = await run(t, process.execPath, [MAIN, "serve"], { env: daemon.env });
    t.is(refused.code, 2);
    t.regex(refused.stderr, /can be changed by other users.*chmod go-w/);
    chmodSync(daemon.configDir, 0o700);
    t.is(await tokenOf(clientOf(t, await startDaemon(t, { home: daemon })), "demo"), SECRET);
  },
);

test.serial(
  "a configuration folder that is a link to nothing stops a start, and is named",
  async (t) => {
    const home = makeHome(t);
    symlinkSync(join(home.folder, "nowhere"), home.configDir);
    const refused = await run(t, process.execPath, [MAIN, "serve"], { env: home.env });
    t.is(refused.code, 2, refused.stderr);
    t.regex(refused.stderr, /config.*is a link to nothing/);
    t.false(existsSync(join(home.folder, "nowhere")));
  },
);

test.serial(
  "a credential file that is a link to nothing costs that credential, and is not written through",
  async (t) => {
    const { daemon, client } = await setup(t);
    const file = join(daemon.configDir, "credentials", "demo.toml");
    rmSync(file);
    symlinkSync(join(daemon.folder, "nowhere.toml"), file);
    const { errors } = await client.request("reload", {});
    t.regex(errors[0]?.message ?? "", /link to nothing/);
    const { reason, message } = await failureOf(client.getToken({ credential: "demo" }));
    t.is(reason, "credential_damaged");
    t.regex(message, /link to nothing/);
    t.is(await tokenOf(client, "other"), "practice-other");
    const set = await daemon.cli(["set", "demo", "--set", "ttl=60"]);
    t.is(set.code, 2, set.stderr);
    t.regex(set.stderr, /link to nothing/);
    t.false(existsSync(join(daemon.folder, "nowhere.toml")));
  },
);

test.serial(
  "a socket path over 107 bytes is refused by daemon and client, with what to do",
  async (t) => {
    const home = makeHome(t);
    const env = { ...home.env, AUTHD_SOCKET: join(home.folder, "x".repeat(120)) };
    for (const args of [["serve"], ["list"], ["get", "x"]]) {
      const { code, stderr } = await home.cli(args, { env });
      t.is(code, 2, stderr);
      t.regex(stderr, /107|too long/);
      t.regex(stderr, /AUTHD_SOCKET/);
    }
  },
);

test.serial("a file or a folder in the socket's place is named and not removed", async (t) => {
  const home = makeHome(t);
  mkdirSync(home.socket, { recursive: true });
  const folder = await home.cli(["serve"]);
  t.not(folder.code, 0);
  t.true(existsSync(home.socket));
  rmSync(home.socket, { recursive: true });
  writeFileSync(home.socket, "precious");
  const file = await home.cli(["serve"]);
  t.not(file.code, 0);
  t.regex(file.stderr, /authd\.sock/);
  t.is(readFileSync(home.socket, "utf8"), "precious");
});

/** A daemon whose vault is on a disk of 64 KiB; undefined where none can be mounted. */
async function onTinyDisk(t: ExecutionContext): Promise<Daemon | undefined> {
  const home = makeHome(t);
  const vault = join(home.stateDir, "vault");
  mkdirSync(vault, { recursive: true, mode: 0o700 });
  const script = 'mount -t tmpfs -o size=64k,mode=700 none "$0" && exec "$@"';
  const through = [
    "unshare",
    "--mount",
    ...(process.geteuid?.() === 0 ? [] : ["--map-root-user"]),
    "sh",
    "-c",
    script,
    vault,
  ];
  return await startDaemon(t, { home, through }).catch(() => undefined);
}

test.serial(
  "a disk that is full: what is there works, nothing is lost, and room is enough to go on",
  async (t) => {
    const daemon = await onTinyDisk(t);
    if (!daemon) return t.log("no disk can be mounted here");
    const client = clientOf(t, daemon);
    await add(client, "demo");
    const big = "x".repeat(20_000);
    let full: AuthdError | undefined;
    let made = 0;
    while (!full && made < 20) {
      full = await add(client, `big-${made}`, big).then(
        () => undefined,
        (error: AuthdError) => error,
      );
      made++;
    }
    t.regex(full?.message ?? "", /big-\d.*(no room|full|disk)/i);
    t.is(full?.reason, "internal");
    t.is(await tokenOf(client, "demo"), SECRET);
    const refused = await failureOf(
      client.request("credentials/set", { credential: "demo", secrets: { token: big + big } }),
    );
    t.regex(refused.message, /demo.*(no room|full|disk)/i);
    t.is(await tokenOf(client, "demo"), SECRET);
    await client.request("credentials/remove", { credential: "big-0" });
    await add(client, "again", big);
    t.is(await tokenOf(client, "again"), big);
    t.is(await tokenOf(client, "demo"), SECRET);
  },
);

test.serial(
  "SIGKILL at any moment of add, set and remove leaves every credential whole or gone",
  async (t) => {
    let daemon = await startDaemon(t);
    let client = clientOf(t, daemon);
    await add(client, "steady", "practice-steady");
    for (let round = 0; round < 6; round++) {
      await add(client, "demo", "practice-0", true);
      const busy = client.request.bind(client);
      const calls = Array.from({ length: 12 }, (_, index) =>
        index % 4 === 3
          ? busy("credentials/remove", { credential: "demo" })
          : busy("credentials/add", {
              name: "demo",
              grant: "static",
              secrets: { token: `practice-${index}` },
              replace: true,
            }),
      );
      const settled = Promise.allSettled(calls);
      await calls[round % 5]?.catch(() => {});
      process.kill(daemon.pid, "SIGKILL");
      await daemon.ended;
      await settled;
      client.close();
      daemon = await startDaemon(t, { home: daemon });
      client = clientOf(t, daemon);
      t.is(await tokenOf(client, "steady"), "practice-steady");
      const { credentials } = await client.request("credentials/list", {});
      const state = credentials.find(({ name }) => name === "demo")?.state;
      t.true([undefined, "ready", "idle", "login_required"].includes(state), state);
      const files = [
        ...readdirSync(join(daemon.stateDir, "vault")),
        ...readdirSync(join(daemon.configDir, "credentials")),
      ];
      t.deepEqual(
        files.filter((file) => /damaged/.test(file)),
        [],
      );
    }
  },
);
