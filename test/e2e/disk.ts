/** A disk that fails when a rotated refresh token comes: nothing is lost, nobody is left in the dark. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { RotatingIssuer } from "../../bench/helpers/rotating-issuer.ts";
import { sealedRecord } from "../../bench/helpers/sealed-record.ts";
import { type Client, connect } from "../../src/client.ts";
import { run, start as startProgram } from "../helpers/child.ts";
import { type Daemon, type Home, MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { DISK_FAULTS, type Place } from "../helpers/failing-disk.ts";
import { absent, asRoot, missing, onUnix } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

const NAME = "demo";
const HOUR = 3_600_000;

function clientOf(t: ExecutionContext, { socket }: { socket: string }): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

/** A daemon on a disk that can be made to fail, with a credential that has been renewed once. */
async function setup(t: ExecutionContext, place: Place, home = makeHome(t), lifetime = HOUR) {
  /** What happens when the next request has arrived. */
  let arrived: (() => Promise<void>) | undefined;
  const issuer = await RotatingIssuer.start({
    lifetime,
    arrived: async () => {
      const happen = arrived;
      arrived = undefined;
      await happen?.();
    },
  });
  t.teardown(() => issuer.close());
  const family = issuer.signIn("family");
  const start = () => startDaemon(t, { home, through: place.through });
  const daemon = await start();
  const client = clientOf(t, daemon);
  await client.request("credentials/add", { name: NAME, ...issuer.credential(family) });
  // Nothing more is to be written.
  await until(() => sealedRecord(place.vault, NAME).tokens.length > 0);
  const atNextRequest = (what: () => Promise<void>) => {
    arrived = what;
  };
  const sealed = () => sealedRecord(place.vault, NAME).secrets.refresh_token;
  return { home, issuer, family, daemon, client, start, atNextRequest, sealed };
}

/** Every way in which a person or a program can hear of it. */
async function assertShouts(t: ExecutionContext, daemon: Daemon, client: Client, says: RegExp) {
  const status = await client.request("status", {});
  t.deepEqual(status.unsaved, [NAME]);
  const [told, shown, examined] = await Promise.all([
    daemon.cli(["status"]),
    daemon.cli(["show", NAME]),
    daemon.cli(["doctor"]),
  ]);
  t.regex(told.stdout, /✖ in memory only.*demo/);
  t.regex(told.stdout, /not on disk: demo: kept in memory only/);
  t.regex(shown.stdout, /not sealed +since .*newest refresh token is lost/);
  t.regex(shown.stdout, says);
  t.is(examined.code, 1);
  t.regex(examined.stdout, /✖ demo +in memory only for/);
  t.regex(examined.stdout, says);
}

/** One for each moment; all faults at both are in test/credential/disk.ts. */
const CASES = [
  ["is full", "before the intent"],
  ["fails to sync", "with the request under way"],
] as const;

for (const [what, moment] of CASES) {
  const { prepare, says } = DISK_FAULTS[what];
  asRoot(
    `a disk that ${what} ${moment}: the rotated refresh token is served from memory, told of, and written when it can be`,
    async (t) => {
      const home = makeHome(t);
      const place = await prepare(t, home);
      if (!place) return;
      const { issuer, family, daemon, client, start, atNextRequest, sealed } = await setup(
        t,
        place,
        home,
      );
      let mend = async () => {};
      const strike = async () => {
        mend = await place.strike(daemon.pid);
      };
      if (moment === "before the intent") await strike();
      else atNextRequest(strike);
      for (const scope of ["one", "two"]) {
        const { accessToken } = await client.getToken({ credential: NAME, scope });
        t.is(issuer.access.get(accessToken)?.refreshToken, family.refreshTokens.at(-1));
      }
      const { unsaved } = await client.request("credentials/show", { credential: NAME });
      t.is(unsaved?.atRisk, "secrets");
      t.regex(unsaved?.message ?? "", says);
      if (moment === "before the intent") await assertShouts(t, daemon, client, says);
      const newest = family.refreshTokens.at(-1);
      t.is(family.refreshTokens.length, 4);

      const mendedAt = performance.now();
      await mend();
      await until(async () => (await client.request("status", {})).unsaved?.length === 0);
      t.log(`written ${Math.round(performance.now() - mendedAt)} ms after the disk was mended`);
      t.is(sealed(), newest);
      t.is((await daemon.cli(["doctor", "--json"])).stdout.includes("in memory only"), false);
      process.kill(daemon.pid, "SIGKILL");
      const { stderr } = await daemon.ended;
      const complaints = stderr.split("\n").filter((line) => line.includes("kept in memory only"));
      // Once more when the refresh token came: more is at stake than before.
      t.is(complaints.length, moment === "before the intent" ? 2 : 1, stderr);
      t.regex(stderr, /demo: sealed again, after/);

      await start();
      await client.getToken({ credential: NAME, scope: "three" });
      t.false(family.revoked);
      t.is(sealed(), family.refreshTokens.at(-1));
    },
  );
}

const full = DISK_FAULTS["is full"];

asRoot(
  "an end while the disk is full says which credential loses what, and is a failure",
  async (t) => {
    const home = makeHome(t);
    const place = await full.prepare(t, home);
    if (!place) return;
    const { family, daemon, client, start, sealed } = await setup(t, place, home);
    const mend = await place.strike(daemon.pid);
    await client.getToken({ credential: NAME, scope: "one" });
    const { code, stderr } = await daemon.stop();
    t.is(code, 1, stderr);
    t.regex(stderr, /"lost":"secrets","msg":"demo: authd ends.*authd set.*ENOSPC/);
    await mend();
    t.is(sealed(), family.refreshTokens.at(-2));
    // No client can help here: the issuer says that a person must act, and so does authd.
    const next = await start();
    const got = await next.cli(["get", NAME, "--scope", "two"]);
    t.is(got.code, 5, got.stderr);
  },
);

asRoot(
  "an end just after the disk was mended writes what was in memory only, and is none",
  async (t) => {
    const home = makeHome(t);
    const place = await full.prepare(t, home);
    if (!place) return;
    const { family, daemon, client, sealed } = await setup(t, place, home);
    const mend = await place.strike(daemon.pid);
    await client.getToken({ credential: NAME, scope: "one" });
    await mend();
    const { code, stderr } = await daemon.stop();
    t.is(code, 0, stderr);
    t.notRegex(stderr, /authd ends/);
    t.is(sealed(), family.refreshTokens.at(-1));
  },
);

for (const what of ["is full", "is mounted read-only"] as const) {
  asRoot(
    `a start on a disk that ${what}: what is sealed is served, a second daemon refused`,
    async (t) => {
      const home = makeHome(t);
      const place = await DISK_FAULTS[what].prepare(t, home);
      if (!place) return;
      const { issuer, family, daemon, client, start, sealed } = await setup(t, place, home);
      const { accessToken } = await client.getToken({ credential: NAME });
      await daemon.stop();
      const mend = await place.strike(daemon.pid);
      const next = await start();
      const again = clientOf(t, next);
      t.is((await again.getToken({ credential: NAME })).accessToken, accessToken);
      const another = await again.getToken({ credential: NAME, scope: "one" });
      t.is(issuer.access.get(another.accessToken)?.refreshToken, family.refreshTokens.at(-1));
      t.deepEqual((await again.request("status", {})).unsaved, [NAME]);
      const [command = "", ...args] = [...place.through, process.execPath, MAIN, "serve"];
      const env = { ...home.env, AUTHD_SOCKET: join(home.folder, "second", "authd.sock") };
      const second = await run(t, command, args, { env });
      t.is(second.code, 1, second.stderr);
      t.regex(second.stderr, /in use by another authd/);
      await mend();
      await until(async () => (await again.request("status", {})).unsaved?.length === 0);
      t.is(sealed(), family.refreshTokens.at(-1));
    },
  );
}

const mode = (path: string) => statSync(path).mode & 0o777;

/** A place on an ordinary disk. */
const ordinary = (home: Home): Place => ({
  through: [],
  vault: join(home.stateDir, "vault"),
  strike: async () => async () => {},
});

/** In one step: nothing is written into it meanwhile. */
function removeAtOnce(folder: string): void {
  renameSync(folder, `${folder}-removed`);
  rmSync(`${folder}-removed`, { recursive: true });
}

/** Starts another daemon over the same vault, on a socket of its own. */
async function second(t: ExecutionContext, home: Home) {
  const socket = join(home.folder, "second", "authd.sock");
  return await run(t, process.execPath, [MAIN, "serve"], {
    env: { ...home.env, AUTHD_SOCKET: socket },
  });
}

onUnix(
  "of two daemons on one vault the second is refused, says who has it, and the first goes on",
  async (t) => {
    const home = makeHome(t);
    const { daemon, client, sealed, family } = await setup(t, ordinary(home), home);
    const { code, stderr } = await second(t, home);
    t.is(code, 1, stderr);
    t.regex(stderr, new RegExp(`in use by another authd \\(process ${daemon.pid}\\)`));
    t.regex(stderr, /Stop that one first|AUTHD_STATE_DIR/);
    await client.getToken({ credential: NAME, scope: "one" });
    t.is(sealed(), family.refreshTokens.at(-1));
  },
);

onUnix(
  "the state folder removed under the daemon is made again, with all that was in it, and locked",
  async (t) => {
    const home = makeHome(t);
    const place = ordinary(home);
    const { family, daemon, client, start, sealed } = await setup(t, place, home);
    await client.request("credentials/add", {
      name: "other",
      grant: "static",
      secrets: { token: "practice" },
    });
    removeAtOnce(home.stateDir);
    const { accessToken } = await client.getToken({ credential: NAME, scope: "one" });
    t.truthy(accessToken);
    t.is(sealed(), family.refreshTokens.at(-1));
    // The one that nothing is to be written of, too.
    await until(() => existsSync(join(place.vault, "other.sealed")));
    t.is(sealedRecord(place.vault, "other").secrets.token, "practice");
    t.deepEqual(
      [home.stateDir, place.vault, join(place.vault, "key"), join(place.vault, "demo.sealed")].map(
        mode,
      ),
      [0o700, 0o700, 0o600, 0o600],
    );
    t.is((await second(t, home)).code, 1);
    process.kill(daemon.pid, "SIGKILL");
    const { stderr } = await daemon.ended;
    t.is(stderr.split("was removed while it was open").length - 1, 1, stderr);
    const next = clientOf(t, await start());
    await next.getToken({ credential: NAME, scope: "two" });
    t.is((await next.getToken({ credential: "other" })).accessToken, "practice");
    t.false(family.revoked);
  },
);

onUnix(
  "a daemon that begins a new vault where one was removed keeps it; the first says so, and gets its own back",
  async (t) => {
    const home = makeHome(t);
    const place = ordinary(home);
    const { family, daemon, client, start, sealed } = await setup(t, place, home);
    removeAtOnce(home.stateDir);
    const socket = join(home.folder, "second", "authd.sock");
    const intruder = startProgram(t, process.execPath, [MAIN, "serve"], {
      env: { ...home.env, AUTHD_SOCKET: socket },
    });
    await intruder.says("authd listens on ");
    const theirs = readFileSync(join(place.vault, "vault.json"), "utf8");
    await client.getToken({ credential: NAME, scope: "one" });
    const show = () => client.request("credentials/show", { credential: NAME });
    t.regex((await show()).unsaved?.message ?? "", /in use by another authd \(process \d+\)/);
    intruder.child.kill("SIGTERM");
    t.is((await intruder.ended).code, 0);
    await client.getToken({ credential: NAME, scope: "two" });
    await until(async () =>
      /Another vault was put in place/.test((await show()).unsaved?.message ?? ""),
    );
    t.is(readFileSync(join(place.vault, "vault.json"), "utf8"), theirs);
    t.false(existsSync(join(place.vault, "demo.sealed")));
    renameSync(place.vault, `${place.vault}-theirs`);
    await until(async () => (await show()).unsaved === undefined);
    t.is(sealed(), family.refreshTokens.at(-1));
    process.kill(daemon.pid, "SIGKILL");
    await daemon.ended;
    await clientOf(t, await start()).getToken({ credential: NAME, scope: "three" });
    t.false(family.revoked);
  },
);

onUnix(
  "a state folder moved elsewhere, with a link in its place, goes on being used, and stays locked",
  async (t) => {
    const home = makeHome(t);
    const { family, client, sealed } = await setup(t, ordinary(home), home);
    const moved = join(home.folder, "moved");
    renameSync(home.stateDir, moved);
    symlinkSync(moved, home.stateDir);
    await client.getToken({ credential: NAME, scope: "one" });
    t.is(sealed(), family.refreshTokens.at(-1));
    const files = readdirSync(join(moved, "vault")).filter((file) => !file.endsWith(".tmp"));
    t.deepEqual(files.sort(), ["demo.sealed", "key", "lock", "manifest", "vault.json"]);
    t.is((await second(t, home)).code, 1);
  },
);

onUnix("a state folder replaced by a link to an empty one gets a whole vault there", async (t) => {
  const home = makeHome(t);
  const { family, client, sealed } = await setup(t, ordinary(home), home);
  renameSync(home.stateDir, `${home.stateDir}-before`);
  const empty = join(home.folder, "empty");
  mkdirSync(empty);
  symlinkSync(empty, home.stateDir);
  await client.getToken({ credential: NAME, scope: "one" });
  t.is(sealed(), family.refreshTokens.at(-1));
  t.is(mode(join(empty, "vault")), 0o700);
  t.is((await second(t, home)).code, 1);
});

// Only root may trace it: a tracer of its own user keeps it from starting.
asRoot("the folders that are made for a new vault are synced into those above them", async (t) => {
  if (absent("strace").length > 0) return missing(t, "strace is not installed");
  const home = makeHome(t);
  const file = join(home.folder, "trace");
  const args = ["-f", "-y", "-o", file, "-e", "trace=fsync", "--"];
  const traced = startProgram(t, "strace", [...args, process.execPath, MAIN, "serve"], {
    env: home.env,
  });
  await traced.says("authd listens on ");
  const client = clientOf(t, home);
  await client.request("shutdown", { daemon: true });
  await traced.ended;
  const synced = readFileSync(file, "utf8");
  for (const folder of [home.folder, home.stateDir])
    t.true(synced.includes(`<${folder}>) `), folder);
});
