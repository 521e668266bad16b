/** What programs do: ask for tokens, in every way there is, and use them. */

import type { IssuedToken } from "../../src/credential/issued-token.ts";
import type { GetTokenOptions } from "../../src/credential/slow-path.ts";
import { AuthdError } from "../../src/errors.ts";
import { HOUR, MINUTE, SECOND } from "./faults.ts";
import type { Account } from "./issuer.ts";
import { forced, leastBackoff, rejected, type Track } from "./judge.ts";
import type { World } from "./world.ts";

/** As the server has it. */
const TIMEOUT = 30 * SECOND;
/** How long a caller waits for a token that may not come soon. */
const PATIENCE = 5 * SECOND;
/** Ten seconds, and what comes before and after it. */
const LONGEST_REQUEST = 11 * SECOND;
const LANES = 4;

/** Lets the programs of this account live. */
export function inhabit(world: World, account: Account): void {
  const { clock, random } = world;
  const { every, burst = 1 } = account.kind;
  const use = (left: number) => {
    ask(world, account);
    const wait = left > 1 ? random.between(SECOND, 9 * SECOND) : random.wait(every);
    clock.at(clock.truth + wait, () => use(left > 1 ? left - 1 : burst));
  };
  clock.at(random.wait(Math.min(every, 12 * HOUR)), () => use(burst));
}

/** A program that is never content: it says of every token that it is no good. */
export function nag(world: World, account: Account, until: number): void {
  const { clock, random } = world;
  if (clock.truth > until) return;
  const rejectedToken = account.held;
  ask(world, account, rejectedToken === undefined ? {} : { rejectedToken });
  clock.at(clock.truth + random.between(50, 3_000), () => nag(world, account, until));
}

interface Call {
  account: Account;
  scope: string;
  track: Track;
  options: GetTokenOptions;
  at: number;
}

export function ask(world: World, account: Account, wish?: GetTokenOptions): void {
  if (!world.open) return;
  const { clock, random, tally } = world;
  const scopes = account.kind.scopes;
  const scope = scopes && !wish && random.chance(0.5) ? random.pick(scopes) : "";
  const want = {
    timeoutMs: TIMEOUT,
    ...(scope ? { scope } : {}),
    ...(wish ?? wishOf(world, account, scope)),
  };
  const track = account.track(scope);
  const call: Call = { account, scope, track, options: want, at: clock.truth };
  announce(world, call);
  tally.count("questions");
  try {
    const answer = world.credential(account).token(want);
    if (!(answer instanceof Promise)) serve(world, call, answer);
    else {
      tally.count("questions that had to wait");
      waitFor(
        world,
        answer,
        (token) => serve(world, call, token),
        (error) => refuse(world, call, error),
      );
    }
  } catch (error) {
    refuse(world, call, error);
  }
}

/** Most want just a token. */
function wishOf({ random, clock }: World, account: Account, scope: string): GetTokenOptions {
  const dice = random.next();
  if (dice < 0.02)
    return { minValidity: random.next() * Math.min(account.kind.lifetime * 1_000, HOUR) };
  if (dice < 0.022) return { forceRefresh: true };
  if (dice < 0.026 && account.held !== undefined && scope === "")
    return { rejectedToken: account.held };
  if (dice < 0.03) {
    const controller = new AbortController();
    clock.at(clock.truth + random.between(0, SECOND), () => controller.abort());
    return { signal: controller.signal };
  }
  return {};
}

/** Tells the judge what was asked for. */
function announce({ network }: World, { account, track, options: want, at }: Call): void {
  track.askedAt = at;
  // A token that an API refused is as good as none.
  if (want.rejectedToken !== undefined || !(track.told - 10 * SECOND > at)) track.needAt = at;
  if (want.minValidity !== undefined) track.moreAt = at;
  if (want.forceRefresh) forced(track, at);
  const { rejectedToken } = want;
  if (rejectedToken === undefined || rejectedToken !== track.token || track.flying) return;
  const worked = Math.min(10 * MINUTE, track.lifetime / 2);
  // Where there is a queue it can't be told from outside whether a request is in it already.
  const isQueued = account.host.inFlight >= LANES;
  const isOld = track.bornAt < network.turns.startedAt;
  rejected(track, at, !isQueued && !isOld && at - track.bornAt < worked - SECOND);
}

/** Counts who waits; the daemon may be gone before there is an answer. */
export function waitFor<T>(
  world: World,
  answer: Promise<T>,
  onAnswer: (value: T) => void,
  onError: (error: unknown) => void,
): void {
  const { daemon } = world;
  world.waiting++;
  world.stir();
  const end =
    <V>(then: (value: V) => void) =>
    (value: V) => {
      if (world.daemon !== daemon) return;
      world.waiting--;
      // Those who asked together run out of patience together: these rings are not for nothing.
      world.stir();
      then(value);
    };
  answer.then(end(onAnswer), end(onError));
}

function serve(world: World, call: Call, issued: IssuedToken): void {
  const { account, scope } = call;
  world.served(account, issued, scope);
  if (scope === "" && account.kind.grant !== "static") use(world, account, issued);
}

/** The API takes the token, or answers 401. */
function use(world: World, account: Account, issued: IssuedToken): void {
  const { clock, tally } = world;
  const { host } = account;
  const now = clock.truth;
  const origin = `https://api.${host.name}`;
  const truth = account.tokens.get(issued.accessToken);
  const good = truth && truth.bornAt >= host.revokedAt && host.apiBrokenUntil <= now;
  const credential = world.credential(account);
  if (good) {
    credential.recordAccepted(origin, issued);
    Object.assign(account, { rejections: 0, rejectionHold: Number.NEGATIVE_INFINITY });
    return;
  }
  tally.count("401s");
  const track = account.track("");
  const isCurrent = issued.accessToken === track.token && !track.flying;
  const isDue = isCurrent && now >= account.rejectionHold;
  if (isDue) {
    track.needAt = now;
    forced(track, now);
  }
  // Who comes while a renewal waits for its turn joins it: that is one step of the back-off, not one each.
  const joins = credential.pendingRefreshes > 0;
  const renewed = credential.refreshAfter401(origin, issued, undefined, { timeoutMs: TIMEOUT });
  const onAnswer = (token: IssuedToken | undefined) => {
    if (!token) return;
    world.served(account, token, "");
    if (isDue && !joins) account.rejectionHold = now + leastBackoff(++account.rejections);
  };
  waitFor(world, renewed, onAnswer, (error) =>
    world.violation(`${account.name}: a 401 brought ${error}`),
  );
}

function refuse(world: World, call: Call, error: unknown): void {
  const { account, scope, track, options: want, at } = call;
  const now = world.clock.truth;
  const who = `${account.name} (${account.kind.name})`;
  if (!(error instanceof AuthdError)) {
    world.violation(`${who}: ${String(error)}`);
    return;
  }
  const { reason, retryAfterMs } = error;
  world.tally.count(`refused: ${reason}`);
  if (reason === "cancelled" && want.signal?.aborted) return;
  // The daemon answers whoever still waits 5 s after it was told to end.
  if (reason === "shutting_down" && world.daemon?.closing) return;
  const isForced = want.forceRefresh || want.rejectedToken !== undefined;
  if (!isForced && world.hasGood(account, scope)) {
    world.violation(`${who}: ${reason}, although there is a good token: ${error.message}`);
  }
  const isHopeless = hasStalled(world, account, now - at);
  const refusal = { reason, retryAfterMs, isForced, isHopeless, waited: now - at, now };
  const wrong = whyWrong(account, track, refusal);
  if (wrong) world.violation(`${who}: ${reason} ${wrong}: ${error.message}`);
}

/**
 * A caller's own credential need not have failed: four of the host's requests are under way, and
 * others before it are in the queue. It waits 5 s for its turn, and for none at a host whose last
 * request, a moment ago, came to nothing.
 */
function hasStalled({ clock }: World, { host }: Account, waited: number): boolean {
  if (host.underWay === 0) return false;
  // An answer with a refresh token is sealed before it counts.
  const isSilent = host.failedAt > host.answeredAt - 100;
  return (
    waited >= PATIENCE - 1 || (isSilent && host.failedAt >= clock.awakeBefore(LONGEST_REQUEST))
  );
}

interface Refusal {
  reason: string;
  retryAfterMs: number | undefined;
  isForced: boolean;
  /** The host is known to keep its callers waiting. */
  isHopeless: boolean;
  waited: number;
  now: number;
}

function whyWrong(account: Account, track: Track, refusal: Refusal): string | undefined {
  const { reason, waited } = refusal;
  switch (reason) {
    case "login_required":
    case "credential_rejected": {
      const isRefused = [...account.tracks.values()].some(({ state }) => state === "refused");
      return isRefused ? undefined : "without a refusal of the issuer";
    }
    case "timeout":
      return waited >= TIMEOUT - 1 ? undefined : `after ${waited} ms`;
    case "issuer_unavailable":
      return whyNotUnavailable(account, track, refusal);
    default:
      return "which nobody expects";
  }
}

function whyNotUnavailable(account: Account, track: Track, refusal: Refusal): string | undefined {
  const { retryAfterMs, isForced, isHopeless, waited, now } = refusal;
  // After two lost answers a token is used up before the next try.
  const left = account.family && isForced ? track.told - now : 0;
  const longest = Math.max(HOUR, left) + MINUTE;
  if (waited > 2 * TIMEOUT) return `only after ${waited} ms`;
  // Another secret was entered meanwhile: the next question may fare better at once.
  if (retryAfterMs === undefined && account.mendedAt >= now - waited) return undefined;
  if (!(retryAfterMs !== undefined && retryAfterMs >= 0 && retryAfterMs <= longest)) {
    return `with retryAfterMs ${retryAfterMs}`;
  }
  if (isForced || isHopeless || track.flying) return undefined;
  if (track.state !== "failing") return "although nothing failed";
  return now <= track.latest ? undefined : "and no try any more";
}
