import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { OutageIssuer } from "../../bench/outage/issuer.ts";
import { type End, KINDS, type Kind } from "../../bench/outage/kinds.ts";
import { longestPause, mostTries } from "../../bench/outage/schedule.ts";
import type { Credential } from "../../src/credential/credential.ts";
import { AuthdError } from "../../src/errors.ts";
import { type Http, HttpFailure, type HttpRequest } from "../../src/http/http.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { start } from "../helpers/child.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { HeldAnswers } from "../helpers/held-answers.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { onLinux } from "../helpers/optional.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const OUTAGE = fileURLToPath(new URL("../../bench/outage.js", import.meta.url));
const SECOND = 1_000;
const LIFETIME = 20 * SECOND;
/** How far the clock moves between two looks, ms. */
const STEP = 100;
const PATIENCE = 5 * SECOND;
const RETRY_AFTER = 30;

/** How long (ms) a request takes to come to nothing, where only the clock ends it. */
const STALLS: Record<string, { after: number; code: string; sent: boolean }> = {
  blackholed: { after: 5 * SECOND, code: "UND_ERR_CONNECT_TIMEOUT", sent: false },
  silent: { after: 10 * SECOND, code: "UND_ERR_HEADERS_TIMEOUT", sent: true },
};

/** The network on the test's clock: notes every try, and swallows them or misspells the host when told to. */
class Network {
  readonly tries: { client: string; at: number }[] = [];
  stall: (typeof STALLS)[string] | undefined;
  isLost = false;
  stalled = 0;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  through(http: Http): Http {
    return (request) => {
      const client = new URLSearchParams(String(request.body)).get("client_id") ?? "";
      this.tries.push({ client, at: this.#clock.boot() });
      if (this.stall) return this.#swallow(this.stall);
      return http(this.isLost ? misspelt(request) : request);
    };
  }

  #swallow({ after, code, sent }: (typeof STALLS)[string]): Promise<never> {
    this.stalled++;
    return new Promise((_, reject) => {
      this.#clock.schedule(after, () => {
        this.stalled--;
        reject(new HttpFailure("It took too long.", { code, sent }));
      });
    });
  }
}

function misspelt(request: HttpRequest): HttpRequest {
  return { ...request, url: "http://issuer.authd.invalid/token" };
}

/** One that is asked for all the time and one that nobody asks for any more, at an issuer that works. */
async function setup(t: ExecutionContext, kind: Kind) {
  const clock = new FakeClock();
  const network = new Network(clock);
  const engine = await startTestRegistry(t, { clock, through: (http) => network.through(http) });
  const authority = createAuthority();
  const issuer = new OutageIssuer(LIFETIME, kind.tls && authority.issue("127.0.0.1"));
  await issuer.listen();
  t.teardown(() => issuer.close().catch(() => {}));
  writeFileSync(join(engine.dir, "ca.pem"), authority.ca, { mode: 0o600 });
  const add = async (name: string) => {
    const file = {
      ...{ grant: "client_credentials", client_id: name, client_auth: "post" },
      token_url: `${kind.tls ? "https" : "http"}://127.0.0.1:${issuer.port}/token`,
      ...(kind.named ? { allow_insecure_http: true } : {}),
      ...(kind.tls ? { ca_file: "ca.pem" } : {}),
    };
    const credential = await engine.add(name, file, { client_secret: "practice" });
    await credential.token({});
    return credential;
  };
  const [asked, quiet] = [await add("asked"), await add("quiet")];
  const bench = { folder: engine.dir, quick: true, defer: t.teardown, row: () => {} };
  const all = { bench, issuer, authority, hosts: "", retryAfter: RETRY_AFTER };
  return { clock, network, engine, issuer, asked, quiet, begin: () => kind.begin(all) };
}

/** Time passes by a step, and with it what real I/O it starts. */
async function step({ clock, registry }: TestRegistry, network: Network): Promise<void> {
  // What was asked is answered before the clock moves on, and so is what that brings.
  await nextTurn();
  clock.advance(STEP);
  await nextTurn();
  await until(() => registry.pendingRefreshes <= network.stalled);
}

interface Refusal {
  error: unknown;
  /** How long it took, ms. */
  waited: number;
  /** What was left of the token when the question came, ms. */
  left: number;
}

/** Asks, and does not wait for the answer. */
function ask(credential: Credential, clock: FakeClock, refusals: Refusal[]): void {
  const at = clock.boot();
  const left = (credential.info().expiresAt ?? 0) - clock.wall();
  const refused = (error: unknown) => refusals.push({ error, left, waited: clock.boot() - at });
  try {
    const token = credential.token({});
    if (token instanceof Promise) token.catch(refused);
  } catch (error) {
    refused(error);
  }
}

/** The network's own ways, or the issuer's. */
async function goDown(
  name: string,
  network: Network,
  begin: () => End | Promise<End>,
): Promise<End> {
  if (name !== "unresolvable" && !STALLS[name]) return await begin();
  network.isLost = name === "unresolvable";
  network.stall = STALLS[name];
  return () => {
    network.isLost = false;
    network.stall = undefined;
  };
}

for (const [name, kind] of Object.entries(KINDS as Record<string, Kind>)) {
  test(`an issuer that is down for ten lifetimes (${name}: ${kind.what}): tokens are used up, callers told at once, tries within the back-off`, async (t) => {
    const { clock, network, engine, asked, quiet, begin } = await setup(t, kind);
    const retryAfter = kind.patient ? RETRY_AFTER * SECOND : 0;
    const { share } = kind;
    const stall = STALLS[name]?.after ?? 0;
    const downAt = clock.boot();
    const end = await goDown(name, network, begin);
    const refusals: Refusal[] = [];
    while (clock.boot() < downAt + 10 * LIFETIME) {
      await step(engine, network);
      ask(asked, clock, refusals);
    }
    t.true(refusals.length > 100);
    for (const { error, waited, left } of refusals) {
      if (!(error instanceof AuthdError)) throw error;
      t.is(error.reason, "issuer_unavailable");
      t.true((error.retryAfterMs ?? 0) > 0);
      t.true(left <= 0, `refused with ${left} ms left`);
      t.true(waited <= PATIENCE + STEP, `told after ${waited} ms`);
    }
    for (const credential of [asked, quiet]) {
      const isAsked = credential === asked;
      const times = triesOf(network, credential.name, downAt);
      const span = downAt + 10 * LIFETIME - times[0]!;
      t.true(times.length > 4);
      t.true(
        times.length <= mostTries(span, { asked: isAsked, retryAfter, share }),
        credential.name,
      );
      for (const [i, pause] of pauses(times).entries()) {
        const { planned, least } = pauseLimits(i + 1, { stall, share, isAsked });
        t.true(pause >= Math.max(least, retryAfter), `${credential.name}: ${pause} ms`);
        t.true(
          pause <= Math.max(planned, retryAfter) + 2 * STEP,
          `${credential.name}: ${pause} ms`,
        );
      }
    }
    await end();
    const backAt = clock.boot();
    for (const credential of [asked, quiet]) {
      const failures = triesOf(network, credential.name, downAt).length;
      const most = stall + Math.max(longestPause(failures + 1), retryAfter) + STEP;
      while (credential.state() !== "ready") {
        await step(engine, network);
        t.true(clock.boot() - backAt <= most, credential.name);
      }
      t.truthy((await credential.token({})).accessToken);
    }
  });
}

/** How long after a failure the next try is planned, and how soon callers may bring it forward. */
function pauseLimits(
  failures: number,
  { stall, share, isAsked }: { stall: number; share: number; isAsked: boolean },
): { planned: number; least: number } {
  // The test's clock draws the shortest jitter.
  const planned = stall + Math.max(SECOND, longestPause(failures) / 2);
  const pace = Math.max(PATIENCE, longestPause(failures) * share);
  return { planned, least: isAsked ? Math.min(planned, Math.max(pace, stall)) : planned };
}

function triesOf({ tries }: Network, name: string, from: number): number[] {
  return tries.filter(({ client, at }) => client === name && at > from).map(({ at }) => at);
}

function pauses(times: readonly number[]): number[] {
  return times.slice(1).map((at, i) => at - times[i]!);
}

const refusalOf = (answer: Promise<unknown>) =>
  answer.then(
    () => undefined,
    (error: AuthdError) => error,
  );

/** Credentials at one issuer; nothing is known of it yet. */
async function several(t: ExecutionContext, count: number) {
  const held = new HeldAnswers();
  const issuer = await startIssuer(t, held.answer);
  const engine = await startTestRegistry(t);
  const credentials: Credential[] = [];
  for (let i = 0; i < count; i++) {
    const file = { grant: "client_credentials", token_url: issuer.url, client_id: `app-${i}` };
    credentials.push(await engine.add(`demo-${i}`, file, { client_secret: "practice" }));
  }
  return { held, issuer, engine, credentials };
}

const token = { access_token: "token", token_type: "bearer", expires_in: 600 };

test("who has no valid token waits 5 s for a renewal that stalls, though it never failed before", async (t) => {
  const { held, issuer, engine, credentials } = await several(t, 1);
  const first = credentials[0]!.token({}) as Promise<unknown>;
  await until(() => issuer.requests.length === 1);
  held.release(token);
  await first;
  engine.clock.advance(600 * SECOND);
  const asked = refusalOf(credentials[0]!.token({}) as Promise<unknown>);
  await until(() => issuer.requests.length === 2);
  engine.clock.advance(PATIENCE);
  const refusal = await asked;
  t.is(refusal?.reason, "issuer_unavailable");
  t.true((refusal?.retryAfterMs ?? 0) > 0);
  // The request goes on, and brings a token all the same.
  held.release({ ...token, access_token: "late" });
  await until(() => credentials[0]!.state() === "ready");
  t.is(issuer.requests.length, 2);
});

test("who holds a token that is almost over gets it at once while the issuer is known to fail", async (t) => {
  const { held, issuer, engine, credentials } = await several(t, 1);
  const [credential] = credentials as [Credential];
  const first = credential.token({}) as Promise<unknown>;
  await until(() => issuer.requests.length === 1);
  held.release(token);
  await first;
  engine.clock.advance(590 * SECOND);
  await until(() => issuer.requests.length === 2);
  held.release({}, 500);
  await until(() => credential.state() === "failing");
  engine.clock.advance(SECOND);
  await until(() => issuer.requests.length === 3);
  // The clock stands still: no wait, however short, would end.
  t.is((await credential.token({})).accessToken, "token");
});

test("the very first token, too, is waited for 5 s; whoever forces a refresh waits as long as they want to", async (t) => {
  const { held, issuer, engine, credentials } = await several(t, 1);
  const credential = credentials[0]!;
  const asked = refusalOf(credential.token({}) as Promise<unknown>);
  await until(() => issuer.requests.length === 1);
  const forced = credential.token({ forceRefresh: true, timeoutMs: 30 * SECOND });
  engine.clock.advance(PATIENCE);
  const refusal = await asked;
  t.is(refusal?.reason, "issuer_unavailable");
  t.regex(refusal?.message ?? "", /under way: ask again in 1 s/);
  engine.clock.advance(4 * SECOND);
  held.release(token);
  t.is((await forced).accessToken, "token");
  t.is(issuer.requests.length, 1);
});

test("who would queue for an issuer that did not answer the last is told at once, not when the queue is done", async (t) => {
  const { held, issuer, credentials } = await several(t, 6);
  const asked = credentials.map((credential) =>
    refusalOf(credential.token({}) as Promise<unknown>),
  );
  await until(() => issuer.requests.length === 4);
  held.release({}, 500);
  t.is((await asked[0])?.reason, "issuer_unavailable");
  await until(() => issuer.requests.length === 5);
  // The clock stands still: no wait, however short, would end.
  const refusal = await refusalOf(Promise.resolve().then(() => credentials[5]!.token({})));
  t.is(refusal?.reason, "issuer_unavailable");
  t.true((refusal?.retryAfterMs ?? 0) > 0);
  const forced = credentials[5]!.token({ forceRefresh: true }) as Promise<{ accessToken: string }>;
  for (let i = 0; i < 5; i++) {
    await until(() => issuer.requests.length >= Math.min(6, 5 + i));
    held.release(token);
  }
  // Who waited from the start still gets a token.
  t.is(await asked[5], undefined);
  t.is((await forced).accessToken, "token");
  t.is((await credentials[5]!.token({})).accessToken, "token");
});

onLinux("a real daemon, its issuer gone and back, with callers all the time", async (t) => {
  const args = ["--credentials=16", "--lifetime=2", "--lifetimes=5", "--kind=blackholed"];
  const { child, ended } = start(t, process.execPath, [OUTAGE, ...args], { detached: true });
  t.teardown(() => {
    // Its daemon, too, if it did not come to its end.
    if (child.exitCode === null) process.kill(-child.pid!, "SIGKILL");
  });
  const { code, stdout, stderr } = await ended;
  t.is(code, 0, `${stdout}\n${stderr}`);
  t.regex(stdout, /token requests at once +≤ 4/);
});
