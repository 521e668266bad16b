/** Files with a token: where they may be, when they are written, and what they survive. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { ChangeQueue } from "../../../src/admin/change-queue.ts";
import { TokenFiles } from "../../../src/admin/token-files/token-files.ts";
import { AuthdError } from "../../../src/errors.ts";
import type { TokenFileParams } from "../../../src/protocol.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { startIssuer } from "../../helpers/issuer.ts";
import { asRoot, onUnix } from "../../helpers/optional.ts";
import { startTestRegistry, type TestRegistry } from "../../helpers/test-registry.ts";
import { until } from "../../helpers/until.ts";

const never = () => new AbortController().signal;

/** The files of an engine; `audited` has the tokens that were written down before they were written. */
function filesOf(engine: TestRegistry, audited: string[] = [], held?: Promise<void>) {
  const { registry, log, events, clock } = engine;
  return new TokenFiles({
    ...{ registry, log, now: clock.wall },
    changes: new ChangeQueue(() => {}),
    onEvent: (event) => void events.push(event),
    audit: async (_, { accessToken }) => {
      audited.push(accessToken);
      if (audited.length > 1) await held;
    },
  });
}

async function setup(t: ExecutionContext, file: Record<string, unknown> = {}) {
  let count = 0;
  const issuer = await startIssuer(t, () => ({
    json: { access_token: `token-${++count}`, token_type: "bearer", expires_in: 600 },
  }));
  const engine = await startTestRegistry(t);
  const settings = {
    grant: "client_credentials",
    token_url: issuer.url,
    client_id: "app",
    ...file,
  };
  const credential = await engine.add("demo", settings, { client_secret: "x" });
  const audited: string[] = [];
  const files = filesOf(engine, audited);
  const folder = temporaryFolder(t);
  const path = join(folder, "token");
  const add = (params: Partial<TokenFileParams> = {}) =>
    files.add({ credential: "demo", path, ...params }, async () => false, never());
  const problem = () => files.list()[0]?.problem;
  /** Waits, and lets the timer tick meanwhile. */
  const ticking = (happened: () => boolean) =>
    until(() => {
      files.tick();
      return happened();
    });
  return { issuer, engine, credential, files, folder, path, add, audited, problem, ticking };
}

const content = (path: string) => readFileSync(path, "utf8");

test("a file holds the token alone, and the next one as soon as there is one", async (t) => {
  const { engine, credential, files, folder, path, add, audited } = await setup(t);
  const { expiresAt, ...info } = await add({ mode: "0640" });
  t.like(info, { credential: "demo", path, mode: "0640" });
  t.is(typeof expiresAt, "number");
  t.is(content(path), "token-1");
  if (process.platform !== "win32") t.is(statSync(path).mode & 0o777, 0o640);
  t.deepEqual(readdirSync(folder), ["token"]);
  const { ino } = statSync(path);
  files.tick();
  await credential.refresh(5_000);
  files.onEvent({ kind: "refreshed", credential: "demo" });
  await until(() => content(path) === "token-2");
  t.not(statSync(path).ino, ino, "it is another file, so that nobody reads half of it");
  t.deepEqual(audited, ["token-1", "token-2"]);
  t.true(engine.events.some(({ kind }) => kind === "token_file"));
});

test("a file that was deleted, or could not be written, is written with a later tick", async (t) => {
  const { credential, folder, path, add, problem, ticking } = await setup(t);
  await add();
  rmSync(path);
  await ticking(() => existsSync(path));
  renameSync(folder, `${folder}-away`);
  // Removed here, so that no look that is under way when the folder is back finds it there.
  rmSync(join(`${folder}-away`, "token"));
  await ticking(() => problem() !== undefined);
  t.regex(problem() ?? "", /token can't be written: the folder is gone/);
  t.is(credential.info().troubles?.[0]?.reason, "token_file");
  t.true(credential.needsAttention);
  renameSync(`${folder}-away`, folder);
  await ticking(() => problem() === undefined);
  t.is(content(path), "token-1");
  t.is(credential.info().troubles, undefined);
});

test("while the issuer fails the file is left; it is a problem when its token has ended", async (t) => {
  const { engine, issuer, files, path, add, problem, ticking } = await setup(t);
  await add();
  issuer.answer({ status: 503 });
  engine.clock.advance(590_000);
  files.tick();
  await until(() => engine.registry.info("demo").failureCount > 0);
  t.is(problem(), undefined);
  engine.clock.advance(20_000);
  await ticking(() => problem() !== undefined);
  t.regex(problem() ?? "", /holds no valid token: "demo" got no token/);
  t.is(content(path), "token-1");
  issuer.answer({ json: { access_token: "token-9", token_type: "bearer", expires_in: 600 } });
  await until(() => {
    engine.clock.advance(10_000);
    files.tick();
    return content(path) === "token-9";
  });
  await ticking(() => problem() === undefined);
});

test("it goes on after a restart, until the credential is removed", async (t) => {
  const { engine, path, add } = await setup(t);
  await add({ format: "header" });
  t.is(content(path), "authorization: Bearer token-1\n");
  writeFileSync(path, "of before");
  const settings = engine.registry.get("demo").settings;
  const later = await engine.restart();
  later.registry.add(settings);
  const files = filesOf(later);
  t.deepEqual(files.list(), []);
  files.resume();
  await until(() => content(path).startsWith("authorization"));
  t.like(files.list()[0], { credential: "demo", path, format: "header" });
  files.onEvent({ kind: "signed_out", credential: "demo" });
  await until(() => !existsSync(path));
  await until(() => {
    files.tick();
    return existsSync(path);
  });
  later.registry.delete("demo");
  files.onEvent({ kind: "removed", credential: "demo" });
  await until(() => !existsSync(path));
  t.deepEqual(files.list(), []);
});

test("what a daemon that was killed while it wrote has left goes at the next start", async (t) => {
  const { engine, folder, path, add } = await setup(t);
  await add();
  const others = [`${path}s.0123456789ab.tmp`, `${path}.tmp`, `${path}.0123456789ab.tmp.x`];
  for (const file of [`${path}.0123456789ab.tmp`, ...others]) writeFileSync(file, "token-0");
  const { ino } = statSync(path);
  const settings = engine.registry.get("demo").settings;
  const later = await engine.restart();
  later.registry.add(settings);
  filesOf(later).resume();
  // It has been written anew, so nothing writes into the folder while it is removed.
  await until(() => statSync(path).ino !== ino);
  t.deepEqual(
    readdirSync(folder).sort(),
    ["token", ...others.map((file) => basename(file))].sort(),
  );
});

test("a file that is removed is deleted, and is not there after a restart", async (t) => {
  const { engine, credential, files, path, add } = await setup(t);
  await add();
  t.deepEqual(await files.remove(path), { credential: "demo" });
  t.false(existsSync(path));
  t.deepEqual(engine.vault.read("demo")?.tokenFiles, undefined);
  t.deepEqual(credential.tokenFiles, []);
  const error = await t.throwsAsync(files.remove(path), { instanceOf: AuthdError });
  t.is((error as AuthdError).reason, "invalid_params");
});

test("a file that is removed while it is being written does not come back", async (t) => {
  const { engine, credential, path } = await setup(t);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const audited: string[] = [];
  const files = filesOf(engine, audited, held);
  await files.add({ credential: "demo", path }, async () => false, never());
  await credential.refresh(5_000);
  files.tick();
  await until(() => audited.length === 2);
  const removed = files.remove(path);
  setTimeout(release, 20);
  await removed;
  t.false(existsSync(path));
  await credential.refresh(5_000);
  files.tick();
  t.deepEqual(files.list(), []);
  t.false(existsSync(path));
});

test("nothing is kept of a file that could not be written, or not be sealed", async (t) => {
  const { engine, credential, files, folder, path, add } = await setup(t);
  symlinkSync(join(folder, "elsewhere"), path);
  await t.throwsAsync(add(), { message: /token is there already/ });
  rmSync(path);
  engine.vault.broken = new Error("the disk is full");
  await t.throwsAsync(add());
  engine.vault.broken = undefined;
  t.false(existsSync(path));
  t.deepEqual(files.list(), []);
  t.deepEqual(credential.tokenFiles, []);
});

test("a path must be absolute and free, the mode closed to others", async (t) => {
  const { folder, path, add } = await setup(t);
  for (const [given, message] of [
    ["token", /"token" is not the absolute path|token is not the absolute path/],
    ["/", /not the absolute path of a file/],
    [join(folder, "a\0b"), /not the absolute path/],
    [join(folder, "nowhere", "token"), /the folder of .* can't be used/],
    [join(folder, "."), /the folder of|is there already|others may write/],
  ] as const) {
    await t.throwsAsync(add({ path: given }), { instanceOf: AuthdError, message });
  }
  for (const mode of ["0666", "0620", "0755", "4600", "0077", "rw", "", "06000"]) {
    await t.throwsAsync(add({ mode }), { message: /the mode .* can't be used/ }, mode);
  }
  writeFileSync(path, "mine");
  await t.throwsAsync(add(), { message: /is there already/ });
  t.is(content(path), "mine");
});

onUnix(
  "no token goes into a folder that others may write to, or that a link leads to later",
  async (t) => {
    const { folder, path, add, problem, ticking } = await setup(t);
    const open = join(folder, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    await t.throwsAsync(add({ path: join(open, "token") }), { message: /others may write to/ });
    mkdirSync(join(open, "inner"), { mode: 0o700 });
    await t.throwsAsync(add({ path: join(open, "inner", "token") }), {
      message: /others may write/,
    });
    chmodSync(open, 0o1777);
    await t.throwsAsync(add({ path: join(open, "token") }), { message: /others may write to/ });
    const real = join(folder, "real");
    mkdirSync(real, { mode: 0o700 });
    symlinkSync(real, join(folder, "link"));
    const { path: resolved } = await add({ path: join(folder, "link", "token") });
    t.is(resolved, join(real, "token"));
    renameSync(real, join(folder, "moved"));
    symlinkSync(folder, real);
    await ticking(() => problem() !== undefined);
    t.regex(problem() ?? "", /leads elsewhere by now/);
    t.false(existsSync(path));
  },
);

onUnix("a link that is put in the file's place is replaced, not followed", async (t) => {
  const { credential, files, folder, path, add } = await setup(t);
  await add();
  const precious = join(folder, "precious");
  writeFileSync(precious, "mine");
  rmSync(path);
  symlinkSync(precious, path);
  await credential.refresh(5_000);
  files.tick();
  await until(() => content(path) === "token-2");
  t.false(lstatSync(path).isSymbolicLink());
  t.is(content(precious), "mine");
});

asRoot("a folder of another user is refused; root's daemon gives files away", async (t) => {
  const { folder, path, add } = await setup(t);
  const theirs = join(folder, "theirs");
  mkdirSync(theirs, { mode: 0o700 });
  chownSync(theirs, 4711, 4711);
  await t.throwsAsync(add({ path: join(theirs, "token") }), { message: /belongs to user 4711/ });
  await add({ uid: 4711, gid: 4712 });
  t.like(statSync(path), { uid: 4711, gid: 4712 });
  t.is(statSync(path).mode & 0o777, 0o600);
});

asRoot("a file gets the group of a folder that hands its group on (setgid)", async (t) => {
  const { folder, add } = await setup(t);
  const shared = join(folder, "shared");
  mkdirSync(shared);
  chownSync(shared, 0, 4712);
  chmodSync(shared, 0o2750);
  await add({ path: join(shared, "token"), mode: "0640" });
  t.is(statSync(join(shared, "token")).gid, 4712);
  t.is(statSync(join(shared, "token")).mode & 0o777, 0o640);
});

test("rules: a person agrees first, and again when rules came later", async (t) => {
  const { engine, credential, files, path, add, problem, ticking } = await setup(t);
  await add();
  const guarded = engine.settings("demo", {
    ...{ grant: "client_credentials", token_url: "https://issuer.example/", client_id: "app" },
    allow: [{ user: 0 }],
  });
  await credential.update({ ...guarded, own: credential.settings.own }, { secrets: {} });
  t.true(credential.isRestricted);
  await ticking(() => problem() !== undefined);
  t.regex(problem() ?? "", /it has rules since/);
  const refused = new AuthdError("caller_not_allowed", "no");
  const no = async () => {
    throw refused;
  };
  await t.throwsAsync(files.add({ credential: "demo", path }, no, never()), { is: refused });
  await files.add({ credential: "demo", path }, async () => true, never());
  t.is(problem(), undefined);
  t.is(credential.tokenFiles?.[0]?.agreed, true);
  const closed = { ...guarded, own: credential.settings.own };
  await credential.update(
    { ...closed, policy: { expose: "request", allow: [], deny: [] } },
    { secrets: {} },
  );
  await ticking(() => problem() !== undefined);
  t.regex(problem() ?? "", /hands out no token any more/);
});

test("a path is one credential's, and there is a limit", async (t) => {
  const { engine, folder, path, files, add } = await setup(t);
  await add();
  await engine.add("other", { grant: "static" }, { token: "x" });
  const taken = files.add({ credential: "other", path }, async () => false, never());
  await t.throwsAsync(taken, { message: /is kept for demo/ });
  await add({ format: "json" });
  t.is(JSON.parse(content(path)).accessToken, "token-1");
  for (let n = 1; n < 16; n++) await add({ path: join(folder, `${n}`) });
  await t.throwsAsync(add({ path: join(folder, "17") }), { message: /keeps 16 files/ });
});

test("tokens that are bound to a key are refused", async (t) => {
  const { add, path } = await setup(t, { dpop: true });
  await t.throwsAsync(add(), { message: /bound to a key/ });
  t.false(existsSync(path));
});
