/** A program of the same user moves files of a guarded credential away and back, so that nobody is asked, or older rules count. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type AuthdError, type Client, connect } from "../../src/client.ts";
import type { Method } from "../../src/protocol.ts";
import { sealExport } from "../../src/vault/index.ts";
import { startCrashableDaemon } from "../helpers/crashable-daemon.ts";
import { type Daemon, makeHome, startDaemon } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

const WORD = "correct horse";
const TOKEN = "token-of-the-test";

interface Stage extends Daemon {
  client: Client;
}

/** A daemon whose credential `demo` asks a person first. */
async function setup(t: ExecutionContext): Promise<Stage> {
  const daemon = await startDaemon(t);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  await client.request("credentials/add", guardedOne());
  return { ...daemon, client };
}

const guardedOne = () => ({
  ...{ name: "demo", grant: "static", secrets: { token: TOKEN } },
  settings: { origins: ["https://api.example"], confirm: "always" },
});

const filesOf = ({ configDir, stateDir }: Daemon, name = "demo") => [
  join(configDir, "credentials", `${name}.toml`),
  join(stateDir, "vault", `${name}.sealed`),
];

/** Moves the files away; what this returns puts them back. */
function moveAway(daemon: Daemon): () => void {
  const away = join(daemon.folder, "away");
  mkdirSync(away, { recursive: true });
  const moves = filesOf(daemon).map((file, index) => [file, join(away, `${index}`)] as const);
  for (const [file, kept] of moves) renameSync(file, kept);
  return () => {
    for (const [file, kept] of moves) renameSync(kept, file);
  };
}

/** Copies the files; what this returns puts the copies in their place. */
function copyOf(daemon: Daemon): () => void {
  const copies = filesOf(daemon).map((file) => [file, readFileSync(file)] as const);
  return () => {
    for (const [file, kept] of copies) writeFileSync(file, kept, { mode: 0o600 });
  };
}

/** Says no to the one question that comes. */
async function deny({ client }: Pick<Stage, "client">): Promise<string> {
  let what = "";
  await until(async () => {
    const { approvals } = await client.request("approvals/pending", {});
    if (approvals[0]) what = approvals[0].what;
    return approvals.length === 1;
  });
  const { approvals } = await client.request("approvals/pending", {});
  await client.request("approvals/answer", { id: approvals[0]!.id, answer: "no" });
  return what;
}

async function anExport(...names: string[]): Promise<Buffer> {
  const record = { secrets: { token: "from an export" }, binding: "", tokens: [] };
  const file = 'grant = "static"\norigins = ["https://api.example"]\n';
  const credentials = names.map((name) => ({ name, file, record }));
  const about = { created: new Date(0).toISOString(), credentials: names.length };
  return await sealExport(WORD, about, Buffer.from(JSON.stringify({ credentials })));
}

const CHANGES: readonly [Method, object][] = [
  ["vault/export", { passphrase: "a passphrase of the thief's" }],
  ["credentials/set", { credential: "demo", settings: { confirm: "first" } }],
  ["vault/rekey", { to: "file" }],
  ["credentials/add", { ...guardedOne(), settings: {}, replace: true }],
];

onLinux(
  "files that are away when a change is asked for, and back when its turn comes, spare nobody the question",
  async (t) => {
    const daemon = await setup(t);
    const { client } = daemon;
    const names = Array.from({ length: 60 }, (_, index) => `other-${index}`);
    const data = (await anExport(...names)).toString("base64");
    for (const [method, params] of CHANGES) {
      for (const name of names) rmSync(filesOf(daemon, name)[0]!, { force: true });
      const putBack = moveAway(daemon);
      await client.request("reload", {});
      await client.request("vault/upload", { data });
      // It has the turn from the moment at which it writes the first file.
      const busy = client.request("vault/import", { passphrase: WORD, replace: true });
      await until(() => existsSync(filesOf(daemon, "other-0")[0]!));
      const changed = client.request(method as never, params as never).then(
        () => "done",
        (error: AuthdError) => error.reason,
      );
      // Answered after the change was received.
      await client.request("status", {});
      putBack();
      t.is((await busy).imported.length, names.length);
      const asked = deny(daemon).catch(() => "");
      t.is(await changed, "caller_not_allowed", method);
      t.is((await asked).split(" ")[0], method);
    }
    const { credentials } = await client.request("credentials/list", {});
    t.deepEqual(
      credentials.filter(({ policy }) => policy).map(({ name, policy }) => [name, policy?.confirm]),
      [["demo", "always"]],
    );
  },
);

onLinux(
  "an import over a guarded credential asks, wherever its files are; one beside it does not",
  async (t) => {
    const daemon = await setup(t);
    const { client } = daemon;
    const bring = async (name: string) => {
      const data = (await anExport(name)).toString("base64");
      const own = connect({ socket: daemon.socket });
      t.teardown(() => own.close());
      await own.request("vault/upload", { data });
      return await own.request("vault/import", { passphrase: WORD, replace: true }).then(
        ({ imported }) => imported.join(),
        (error: AuthdError) => error.reason,
      );
    };
    const putBack = moveAway(daemon);
    await client.request("reload", {});
    const refused = bring("demo");
    t.is(await deny(daemon), "vault/import");
    t.is(await refused, "caller_not_allowed");
    t.is(await bring("other"), "other");
    putBack();
    await client.request("reload", {});
    t.regex((await client.request("credentials/show", { credential: "demo" })).state, /idle|ready/);
  },
);

for (const [what, count] of [
  ["its file was", 1],
  ["its files were", 2],
] as const)
  onLinux(
    `a guarded record is not overwritten by a new credential of its name when ${what} removed`,
    async (t) => {
      const daemon = await setup(t);
      const { client } = daemon;
      const files = filesOf(daemon);
      for (const file of files.slice(0, count)) rmSync(file);
      await client.request("reload", {});
      const own = { ...guardedOne(), secrets: { token: "the thief's" }, settings: {} };
      const there = await t.throwsAsync<AuthdError>(client.request("credentials/add", own));
      t.is(there?.reason, "invalid_params");
      t.regex(there!.message, /the vault holds secrets of that name.*--replace/);
      const replaced = client.request("credentials/add", { ...own, replace: true });
      const refused = t.throwsAsync<AuthdError>(replaced);
      t.is(await deny(daemon), "credentials/add");
      t.is((await refused)?.reason, "caller_not_allowed");
      t.false(existsSync(files[0]!));
    },
  );

onLinux(
  "rules are not rolled back with copies from before them, removed or not; a person can accept what is there",
  async (t) => {
    const daemon = await startDaemon(t);
    const client = connect({ socket: daemon.socket });
    t.teardown(() => client.close());
    const { settings, ...free } = guardedOne();
    const open = { ...free, settings: { origins: settings.origins } };
    await client.request("credentials/add", open);
    const putBack = copyOf(daemon);
    await client.request("credentials/set", {
      credential: "demo",
      settings: { confirm: "always" },
    });
    const older = async () => {
      putBack();
      await client.request("reload", {});
      const error = await t.throwsAsync<AuthdError>(client.getToken({ credential: "demo" }));
      t.is(error?.reason, "credential_damaged");
      t.regex(error!.message, /older than the vault knows.*authd add demo --replace/);
    };
    // The daemon that was there when the rules came has them in memory; another one reads what is there.
    putBack();
    await client.request("reload", {});
    const changed = await t.throwsAsync<AuthdError>(client.getToken({ credential: "demo" }));
    t.is(changed?.reason, "credential_changed");
    await daemon.stop();
    putBack();
    await startDaemon(t, { home: daemon });
    await older();
    const { problems } = await client.request("status", {});
    t.like(problems[0], { credential: "demo", reason: "credential_damaged" });
    t.regex(problems[0]!.message, /older than the vault knows/);
    t.regex((await daemon.cli(["doctor"])).stdout, /older than the vault knows/);

    // Guarded it still is, so that this program is not to decide what counts from here on.
    const replaced = client.request("credentials/add", { ...open, replace: true });
    t.is(await deny({ client }), "credentials/add");
    await t.throwsAsync(replaced);
  },
);

onLinux("a credential that was removed does not come back with copies of its files", async (t) => {
  const daemon = await startDaemon(t);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const open = { ...guardedOne(), settings: { origins: ["https://api.example"] } };
  await client.request("credentials/add", open);
  const putBack = copyOf(daemon);
  await client.request("credentials/remove", { credential: "demo" });
  putBack();
  await client.request("reload", {});
  const refused = () => client.getToken({ credential: "demo" });
  t.is((await t.throwsAsync<AuthdError>(refused()))?.reason, "credential_damaged");
  await daemon.stop();
  const again = await startDaemon(t, { home: daemon });
  t.is((await t.throwsAsync<AuthdError>(refused()))?.reason, "credential_damaged");
  t.is((await again.cli(["list"])).code, 0);
  await client.request("credentials/add", { ...open, secrets: { token: "new" }, replace: true });
  t.is((await client.getToken({ credential: "demo" })).accessToken, "new");
  await again.stop();
  putBack();
  await startDaemon(t, { home: daemon });
  t.is((await t.throwsAsync<AuthdError>(refused()))?.reason, "credential_damaged");
});

onLinux(
  "a copy of an import that was carried out does not bring its credentials back",
  async (t) => {
    const home = makeHome(t);
    const crashable = await startCrashableDaemon(t, home);
    const client = connect({ socket: home.socket });
    t.teardown(() => client.close());
    const data = (await anExport("demo")).toString("base64");
    await client.request("vault/upload", { data });
    await crashable.arm("writeFileSync credentials/demo.toml");
    await t.throwsAsync(client.request("vault/import", { passphrase: WORD }));
    await crashable.ended;
    const intent = join(home.stateDir, "vault", "intent");
    const copy = readFileSync(intent);
    const daemon = await startDaemon(t, { home });
    t.is((await client.request("credentials/list", {})).credentials.length, 1);
    t.false(existsSync(intent));
    await client.request("credentials/remove", { credential: "demo" });

    writeFileSync(intent, copy, { mode: 0o600 });
    await client.request("reload", {});
    t.deepEqual((await client.request("credentials/list", {})).credentials, []);
    await daemon.stop();
    await startDaemon(t, { home });
    t.deepEqual((await client.request("credentials/list", {})).credentials, []);
    rmSync(intent);
    await client.request("vault/upload", { data });
    t.deepEqual((await client.request("vault/import", { passphrase: WORD })).imported, ["demo"]);
  },
);

onLinux("a manifest that was removed while no daemon ran is told of in every place", async (t) => {
  const daemon = await setup(t);
  await daemon.stop();
  rmSync(join(daemon.stateDir, "vault", "manifest"));
  const again = await startDaemon(t, { home: daemon });
  const client = connect({ socket: again.socket });
  t.teardown(() => client.close());
  const problems = async () => (await client.request("status", {})).problems;
  await until(async () => (await problems()).length > 0);
  t.like((await problems())[0], { reason: "manifest" });
  t.regex((await problems())[0]!.message, /manifest is missing: it was made again/);
  const { events } = await client.request("events", {});
  t.true(events.some(({ kind }) => kind === "manifest_rebuilt"));
  t.true(events.some(({ kind, reason }) => kind === "problem" && reason === "manifest"));
  const doctor = await again.cli(["doctor"]);
  t.is(doctor.code, 1);
  t.regex(doctor.stdout, /✖ vault manifest .*manifest is missing/);
  await client.request("audit/head", {});
  t.regex(readFileSync(join(again.stateDir, "audit.log"), "utf8"), /"outcome":"manifest_rebuilt"/);
  await again.stop();
  // It is told of once.
  const third = await startDaemon(t, { home: daemon });
  await client.request("credentials/list", {});
  t.deepEqual(await problems(), []);
  t.is((await third.cli(["list"])).code, 0);
});
