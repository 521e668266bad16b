import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Fault, RotatingIssuer } from "../../bench/helpers/rotating-issuer.ts";
import { sealedRecord } from "../../bench/helpers/sealed-record.ts";
import { type AuthdError, type Client, connect } from "../../src/client.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";

const HOUR = 3_600_000;
/** Ways to lose an answer after the issuer has spent the refresh token. For an answer that does not come see slow-answers.ts. */
const LOST: readonly Fault[] = ["reset", "half", 502, 504];
/** Two in a row: a broken connection, a broken answer and a gateway's answer, in each order. */
const PAIRS = (["reset", "half", 502] as const).flatMap((first, _, all) =>
  all.map((second) => [first, second] as const),
);
/** Which of two requests' answers is lost. */
const POSITIONS = [0, 1];

async function setup(t: ExecutionContext) {
  const daemon = await startDaemon(t);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  return { daemon, client };
}

/** A credential that has been renewed once; `faults` are for its next requests, at an issuer of its own. */
async function credential(
  t: ExecutionContext,
  { daemon, client }: { daemon: Daemon; client: Client },
  { name, grace, faults }: { name: string; grace: number; faults: (Fault | undefined)[] },
) {
  const issuer = await RotatingIssuer.start({ lifetime: HOUR, grace });
  t.teardown(() => issuer.close());
  const family = issuer.signIn("family");
  await client.request("credentials/add", { name, ...issuer.credential(family) });
  issuer.faults.push(...faults);
  const ask = (scope?: string) =>
    client.getToken({ credential: name, ...(scope === undefined ? {} : { scope }) });
  const state = async () => (await client.request("credentials/show", { credential: name })).state;
  const sealed = () => sealedRecord(join(daemon.stateDir, "vault"), name);
  /** What became of the requests since it was added. */
  const outcomes = () => issuer.seen.slice(1).map(({ outcome }) => outcome);
  return { issuer, family, ask, state, sealed, outcomes };
}

/** A fault for the request at this position, after some that go well. */
const at = (position: number, fault: Fault) => [...Array(position).fill(undefined), fault];

test("an answer lost after the issuer rotated is asked for once more at once, within the issuer's grace", async (t) => {
  const staged = await setup(t);
  for (const fault of LOST) {
    const what = { name: `lost-${fault}`, grace: HOUR, faults: [fault] };
    const { issuer, family, ask, state, sealed, outcomes } = await credential(t, staged, what);
    const { accessToken } = await ask("new");
    const newest = family.refreshTokens.at(-1);
    t.is(issuer.access.get(accessToken)?.refreshToken, newest, what.name);
    t.deepEqual(outcomes(), ["rotated", "repeated"], what.name);
    t.is(await state(), "ready", what.name);
    t.is(sealed().secrets.refresh_token, newest, what.name);
    t.is(sealed().rotation?.intent, undefined, what.name);
  }
});

test("without a grace an answer lost costs the session: a person is told, the issuer left alone, and a token that is valid served", async (t) => {
  const staged = await setup(t);
  for (const fault of LOST) {
    const what = { name: `lost-${fault}`, grace: 0, faults: [fault] };
    const { ask, state, outcomes } = await credential(t, staged, what);
    const before = await ask();
    t.is((await t.throwsAsync<AuthdError>(ask("new")))?.reason, "login_required", what.name);
    t.is(await state(), "login_required", what.name);
    t.deepEqual(await ask(), before, what.name);
    t.is((await t.throwsAsync<AuthdError>(ask("other")))?.reason, "login_required", what.name);
    // The last is the previous refresh token, tried once.
    t.deepEqual(outcomes(), ["rotated", "revoked", "refused"], what.name);
  }
});

test("two scopes at once, and the answer to either lost: with a grace both get a token", async (t) => {
  const staged = await setup(t);
  for (const position of POSITIONS) {
    for (const fault of LOST) {
      const what = { name: `lost-${fault}-${position}`, grace: HOUR, faults: at(position, fault) };
      const { family, ask, sealed, outcomes } = await credential(t, staged, what);
      const tokens = await Promise.all([ask("one"), ask("two")]);
      t.is(new Set(tokens.map(({ accessToken }) => accessToken)).size, 2, what.name);
      const scopes = tokens.map(({ scope }) => scope);
      t.deepEqual(scopes, ["one", "two"], what.name);
      const expected = ["rotated", "rotated"].toSpliced(position + 1, 0, "repeated");
      t.deepEqual(outcomes(), expected, what.name);
      t.is(sealed().secrets.refresh_token, family.refreshTokens.at(-1), what.name);
    }
  }
});

test("two scopes at once, and the answer to either lost: without a grace nothing is spent in vain", async (t) => {
  const staged = await setup(t);
  for (const position of POSITIONS) {
    for (const fault of LOST) {
      const what = { name: `lost-${fault}-${position}`, grace: 0, faults: at(position, fault) };
      const { ask, state, outcomes } = await credential(t, staged, what);
      const asked = await Promise.allSettled([ask("one"), ask("two")]);
      const got = asked.map((each) =>
        each.status === "fulfilled" ? "token" : (each.reason as AuthdError).reason,
      );
      const first = position === 1 ? "token" : "login_required";
      t.deepEqual(got, [first, "login_required"], what.name);
      t.is(await state(), "login_required", what.name);
      const expected = [...at(position, fault).map(() => "rotated"), "revoked", "refused"];
      t.deepEqual(outcomes(), expected, what.name);
    }
  }
});

test("a connection that breaks before the issuer spent anything costs nothing, without a grace either", async (t) => {
  const what = { name: "dropped", grace: 0, faults: ["dropped" as const] };
  const { ask, outcomes } = await credential(t, await setup(t), what);
  t.truthy((await ask("new")).accessToken);
  t.deepEqual(outcomes(), ["dropped", "rotated"]);
});

test("two answers lost in a row, in each order: the caller is told when to come back, and the token there is served", async (t) => {
  const staged = await setup(t);
  const lose = async (faults: readonly [Fault, Fault]) => {
    const what = { name: `lost-${faults.join("-")}`, grace: HOUR, faults: [...faults] };
    const { ask, sealed, outcomes } = await credential(t, staged, what);
    const before = await ask();
    const refused = await t.throwsAsync<AuthdError>(ask("new"));
    t.is(refused?.reason, "issuer_unavailable", what.name);
    t.true((refused?.retryAfterMs ?? 0) > 0, what.name);
    t.deepEqual(outcomes().slice(0, 2), ["rotated", "repeated"], what.name);
    t.deepEqual(await ask(), before, what.name);
    t.truthy(sealed().secrets.refresh_token, what.name);
  };
  await Promise.all(PAIRS.map(lose));
});

for (const second of [undefined, ...LOST]) {
  test(`two answers lost in a row at an issuer without a grace (${second ?? "the second arrives"}): never a third try at once`, async (t) => {
    const faults: (Fault | undefined)[] = ["reset", second];
    const what = { name: "demo", grace: 0, faults };
    const { ask, outcomes } = await credential(t, await setup(t), what);
    const before = await ask();
    const refused = await t.throwsAsync<AuthdError>(ask("new"));
    // Whether the session is gone is known only if the issuer's refusal arrives.
    t.is(refused?.reason, second === undefined ? "login_required" : "issuer_unavailable");
    t.deepEqual(outcomes().slice(0, 2), ["rotated", "revoked"]);
    t.deepEqual(await ask(), before);
  });
}

test("two answers lost in a row: the token there is gets used up, and the next start tries again at once", async (t) => {
  const staged = await setup(t);
  const what = { name: "demo", grace: HOUR, faults: ["reset" as const, 502 as const] };
  const { family, ask, sealed, outcomes } = await credential(t, staged, what);
  const before = await ask();
  const refused = await t.throwsAsync<AuthdError>(ask("new"));
  t.is(refused?.reason, "issuer_unavailable");
  t.true((refused?.retryAfterMs ?? 0) > 0);
  t.deepEqual(outcomes(), ["rotated", "repeated"]);
  t.deepEqual(await ask(), before);
  t.deepEqual(sealed().rotation?.intent, { scope: "new" });
  await staged.daemon.stop();
  await startDaemon(t, { home: staged.daemon });
  const { scope } = await ask("new");
  t.is(scope, "new");
  t.is(sealed().secrets.refresh_token, family.refreshTokens.at(-1));
  t.deepEqual(outcomes(), ["rotated", "repeated", "repeated"]);
});
