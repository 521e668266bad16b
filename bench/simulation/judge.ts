/**
 * The refresh rules, written down a second time: when, at the earliest, the next request for a token
 * may be sent. Deliberately by its own arithmetic. Times are true times, durations milliseconds.
 */
import { HOUR, MINUTE, SECOND } from "./faults.ts";

/** What the rules make of one (credential, scope) so far. */
export interface Track {
  state: "new" | "good" | "failing" | "refused";
  /** The request under way, or the last one; and the one that brought the token. */
  sentAt: number;
  bornAt: number;
  flying: boolean;
  /** When the last answer, or the news of none, came. */
  heardAt: number;
  failures: number;
  /** Whether the last renewal brought a later end can't be told for sure: what follows from either is all right. */
  unsure: boolean;
  /** The next request, if nobody asks. */
  earliest: number;
  /** The next request, if a program wants more of the token's life. */
  early: number;
  /** The next request, if a program has no token. */
  pressed: number;
  /** The next request at the latest. */
  latest: number;
  /** One more at once: after a lost answer, one that came too late, or with the refresh token before. */
  again: boolean;
  /** The newest token. */
  token: string | undefined;
  lifetime: number;
  /** Until when the daemon may take its token for good. */
  told: number;
  /** When a program last asked. */
  askedAt: number;
  /** When a program last wanted more of its life, had none, or was told that it is no good. */
  moreAt: number;
  needAt: number;
  forcedAt: number;
  /** Nothing is forced before this; how often in a row a new token was no good. */
  forceHold: number;
  young: number;
  /** What is forced follows a rejection. */
  rejected: { young: boolean; at: number } | undefined;
  /** A person asked for another try. */
  personAt: number;
}

export function createTrack(): Track {
  const never = Number.NEGATIVE_INFINITY;
  return {
    state: "new",
    ...{ sentAt: never, bornAt: never },
    flying: false,
    heardAt: never,
    failures: 0,
    unsure: false,
    ...{ earliest: never, early: never, pressed: never },
    again: false,
    token: undefined,
    lifetime: 0,
    ...{ told: never, askedAt: never },
    ...{ moreAt: never, needAt: never, forcedAt: never, forceHold: never, personAt: never },
    young: 0,
    rejected: undefined,
    latest: never,
  };
}

/** What happened to the machine: each makes a request of its own all right. */
export interface Turns {
  startedAt: number;
  steppedAt: number;
}

/** Timers and clocks are whole milliseconds, the boot clock hundredths of a second. */
const ROUNDING = 20;
const PACE = 5 * SECOND;
const LONGEST_HOLD = HOUR;
/** The longest back-off, and a minute in a queue. */
const LATEST = 6 * MINUTE;

/** Why this request should not have been sent; undefined if it may. */
export function complaint(track: Track, now: number, turns: Turns): string | undefined {
  const { state, sentAt, heardAt } = track;
  if (state === "new" || isCountedAnew(track, turns)) return undefined;
  if (track.flying) return "a second request while one is under way";
  if (state === "refused") return track.again ? undefined : "a request after a refusal";
  if (track.again || now >= track.earliest - ROUNDING) return undefined;
  const soon = `a request ${Math.ceil(track.earliest - now)} ms too soon`;
  const isFailing = state === "failing";
  const isWanted = (at: number, earliest: number) => at >= heardAt && now >= earliest - ROUNDING;
  if (isFailing && isWanted(track.needAt, track.pressed)) return undefined;
  if (isFailing && !track.unsure) return `${soon} after ${track.failures} failures`;
  // At the very same moment (both waited for the machine to wake) it was sent before the step.
  if (turns.steppedAt >= sentAt || track.forcedAt >= heardAt) return undefined;
  if (isWanted(track.moreAt, track.early)) return undefined;
  return `${soon} after ${Math.round(now - sentAt)} ms`;
}

/** Failures are counted anew after a start, and when a person acts. */
function isCountedAnew({ personAt, sentAt }: Track, { startedAt }: Turns): boolean {
  return startedAt > sentAt || personAt > sentAt;
}

export function sent(track: Track, now: number, turns: Turns): void {
  const isAnew = isCountedAnew(track, turns);
  if (isAnew) track.failures = 0;
  if (isAnew || (track.state !== "refused" && now >= track.earliest)) track.again = false;
  const { rejected } = track;
  // Later it may have been the timer's.
  if (rejected?.at === now) {
    track.young = rejected.young ? track.young + 1 : 1;
    track.forceHold = now + leastBackoff(track.young);
  }
  track.sentAt = now;
  track.flying = true;
}

/** What an answer says of the token's life. */
export interface Told {
  lifetime: number;
  refreshIn?: number;
  /** How far the daemon's idea of the lifetime may be off. */
  within: number;
  session?: number;
  /** The issuer tells no lifetime: the token is renewed, but good. */
  assumed: boolean;
}

export function brought(track: Track, now: number, told: Told): void {
  const { lifetime, within, refreshIn, session } = told;
  const until = told.assumed ? Number.POSITIVE_INFINITY : track.sentAt + lifetime;
  // Two tokens of the same moment may well end together.
  const isAnother = track.sentAt - track.bornAt > 2 * SECOND;
  const nothingNew = Number.isFinite(until) && until <= track.told + within && isAnother;
  // A token that has run out on its way is asked for once more at once.
  const again = !track.again && !told.assumed && now >= until - within - ROUNDING;
  Object.assign(track, { flying: false, heardAt: now, again, bornAt: track.sentAt });
  const next = track.sentAt + renewalAge(lifetime, refreshIn) - within;
  // With the least jitter it may still be good for a moment.
  const last = track.sentAt + lifetime - lead(lifetime);
  track.unsure = false;
  if (nothingNew || (next <= now && (last <= now || refreshIn !== undefined))) {
    // Two ends that are this close may be told apart the other way round: as a success, which counts none.
    const isLater = until > track.told - ROUNDING * 3;
    failedToExtend(track, now, { isLater, isUnsure: nothingNew && isLater, next });
  } else {
    track.failures = 0;
    track.state = "good";
    const end = session === undefined ? Number.POSITIVE_INFINITY : track.sentAt + session;
    track.earliest = Math.min(next, end - lead(session ?? 0));
  }
  track.early = track.sentAt + lifetime / 2 - within;
  track.told = until;
  track.lifetime = lifetime;
}

function failedToExtend(
  track: Track,
  now: number,
  { isLater, isUnsure, next }: { isLater: boolean; isUnsure: boolean; next: number },
): void {
  track.unsure = isUnsure;
  if (!isLater) track.failures++;
  else track.failures = isUnsure ? 0 : 1;
  track.state = "failing";
  const least = leastBackoff(Math.max(1, track.failures));
  track.earliest = Math.min(now + least, Math.max(next, now + SECOND));
  track.pressed = track.sentAt + PACE;
  track.latest = now + LATEST;
}

export interface Failed {
  lost: boolean;
  /** To what share of the back-off a caller may bring the next try forward. */
  share: number;
  blocked: boolean;
  lasting: boolean;
  retryAfter: number;
  rotates: boolean;
  /** The daemon has the newest token for sure: it was not killed before that was on the disk. */
  held: boolean;
}

export function failed(track: Track, now: number, failure: Failed): void {
  const { lost, blocked, lasting, rotates } = failure;
  const wasSecond = track.again;
  // A person tried the refused secret once more: it stays refused until it has worked.
  if (track.state === "refused" && !wasSecond) {
    Object.assign(track, { flying: false, heardAt: now, unsure: false });
    return;
  }
  // The refresh token before was tried; if that is lost too, the refusal is the last word.
  const isLastWord = track.state === "refused" && wasSecond && lost;
  Object.assign(track, { flying: false, heardAt: now, unsure: false });
  track.state = isLastWord ? "refused" : "failing";
  if (!wasSecond) track.failures++;
  track.again = lost && rotates && !wasSecond;
  const hold = Math.min(failure.retryAfter, LONGEST_HOLD);
  const least = leastBackoff(track.failures, blocked, lasting);
  // Callers' tries back off as well; the least back-off is half of one.
  const pace = Math.max(PACE, least * 2 * failure.share);
  track.earliest = now + Math.max(least, hold);
  track.pressed = Math.max(track.sentAt + pace, now + (blocked ? least : hold));
  track.latest = now + Math.max(blocked || lasting ? LONGEST_HOLD : 0, hold) + LATEST;
  if (lost && rotates && Number.isFinite(track.told)) {
    track.latest = Math.max(track.latest, track.told + LATEST);
    if (failure.held) track.earliest = Math.max(track.earliest, track.told);
  }
}

export function refused(track: Track, now: number, rotates: boolean): void {
  const wasSecond = track.again && track.state === "refused";
  Object.assign(track, { flying: false, heardAt: now, state: "refused" });
  track.again = rotates && !wasSecond;
}

/** A program wants another token, whatever is left of this one. */
export function forced(track: Track, now: number): void {
  track.forcedAt = now;
}

/** A program says that its token is no good; `young`: before that had worked for long. */
export function rejected(track: Track, now: number, young: boolean): void {
  if (young && now < track.forceHold) return;
  Object.assign(track, { forcedAt: now, rejected: { young, at: now } });
}

export function leastBackoff(failures: number, blocked = false, lasting = false): number {
  if (blocked) return Math.max(5 * MINUTE, Math.min(5 * MINUTE * 2 ** (failures - 1), HOUR) / 2);
  const most = lasting ? HOUR : 5 * MINUTE;
  return Math.max(SECOND, Math.min(SECOND * 2 ** Math.min(failures - 1, 30), most) / 2);
}

/** The age at which a token may be renewed at the earliest: the lead at its longest. */
function renewalAge(lifetime: number, refreshIn: number | undefined): number {
  if (refreshIn === undefined) return lifetime - 1.2 * lead(lifetime);
  return Math.max(lifetime - 1.2 * (lifetime - refreshIn), refreshIn / 2);
}

/** A quarter of the lifetime, within the rules' limits. */
function lead(lifetime: number): number {
  const least = Math.min(MINUTE, lifetime / 2);
  const most = Math.min(Math.max(HOUR, lifetime / 24), 24 * HOUR);
  return Math.min(Math.max(lifetime / 4, least), most);
}
